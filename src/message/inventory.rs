//! Texts about which hosts are visited: names, ranges, lists of hosts, the register, ssh_config.

use super::messages;

messages! {
    /// A text about which hosts are visited.
    InventoryMessage as Inventory {
        NoHostNamed => "no host is named; use --hosts, $LIST_SERVEUR, or `hosts` or `register` of [targets]",
        TooManyHosts { count: usize, max: u64 } => "{count} hosts are named, more than {max}; visit them in several runs",
    }
}
