//! Texts about which hosts are visited: names, ranges, lists of hosts, the register, ssh_config.

use super::messages;

messages! {
    /// A text about which hosts are visited.
    InventoryMessage as Inventory {
        // The selection.
        NoHostNamed => "no host is named; use --hosts, $LIST_SERVEUR, or `hosts` or `register` of [targets]",
        NoHostLeft { named } => "no host is left of {named}; loosen --only and --exclude (`exclude` of [targets])",
        TooManyHosts { count: usize, max: u64 } => "{count} hosts are named, more than {max}; visit them in several runs",
        NamedRepeatedly { hosts } => "named more than once, visited once: {hosts}",
        ExcludeMatchesNone { entry } => "exclude {entry}: none of the hosts is called so",
        OnlyMatchesNone { entry } => "only {entry}: none of the hosts is called so",
        ByName => "by name",
        ByAlias { pattern, file, line: u64 } => "{pattern} ({file}, line {line})",

        // Places.
        AtLine { file, line: u64 } => "{file}, line {line}",
        AtRow { place, unit, number: u64 } => "{place}, {unit} {number}",
        Line => "line",
        Row => "row",

        // Files of any kind.
        FileUnreadable => "cannot be read",

        // The name of a host.
        NameEmpty => "a host's name cannot be empty",
        NameTooLong { bytes: usize, max: usize } => "has {bytes} bytes; a host's name has at most {max}",
        NameIsOption => "begins with `-`, which ssh would read as an option; name it by another Host alias",
        NameHasInvisible => "holds a blank or an invisible character; retype the name",
        NameHasShellCharacter { found: char } => "holds `{found}`, which ssh refuses in a name; name it by another Host alias",
        NameIsPattern { found: char } => "holds `{found}`, which stands for several hosts; here one host's name is needed",
        NameHasSlash => "holds `/`; write the name alone, its port and the rest belong in ssh_config",
        NameIsFolder => "names a folder, not a host",

        // A word as other tools spell it.
        SpelledAsFile { file } => "names no host; a file of hosts is named on the command line or in $LIST_SERVEUR: write @{file}",
        SpelledAsList { typed, listed } => "holds a blank, `,`, `;` or `|` between names; write {typed} on the command line, {listed} in a job file, one a row in a register",
        SpelledAsExclusion { left } => "`!` excludes nothing here; leave it out, and name {left} in `exclude` of [targets] or in --exclude",
        SpelledWithPort { name, port } => "holds a port; write {name}; its port belongs in ssh_config: `Port {port}` below its `Host` line",
        SpelledAsAddress { name } => "holds more than a name; write {name} alone",
        SpelledAsRange { meant } => "is no range here; write {meant}",

        // A range of names.
        RangeUnclosed => "a `[` is never closed; write a range as `name[1-3]`",
        RangeUnopened => "a `]` stands where no `[` is open; write a range as `name[1-3]`",
        RangeNested => "brackets do not nest; write `name[1-3,7]`, or `r[1-2]n[1-4]` for two numbers",
        RangeLacksNumber { body } => "`[{body}]` lacks a number; write a range as `name[1-3]` or `name[1-3,7]`",
        RangeNotNumber { found } => "`{found}` is not a number; brackets hold digits only, as in `name[1-3,7]`; write other names one by one",
        RangeNumberTooLong { found, max: usize } => "`{found}` has more than {max} digits; take the fixed ones out of the brackets",
        RangeBackwards { first, last } => "the range {first}-{last} runs backwards; write {last}-{first}",
        RangeMixedPadding { first, last } => "{first}-{last} mixes paddings; write both numbers with as many digits, as in `[001-100]`",
        RangeStepZero => "a step of 0 never ends; write a step from 1 on, as in `[0-10/2]`",
        RangeStepAlone { item } => "`{item}` has a step but no range; write it as in `[0-10/2]`",
        RangeTooManyNames { names: u64, max: u64 } => "gives {names} names, more than {max}; use a smaller range, or several words",
        RangeNameTooLong { bytes: usize, max: usize } => "gives names of {bytes} bytes, but a host's name has at most {max}",

        // A list of hosts.
        ListNotRegular => "is not a regular file; name a list of hosts, or pipe it in with `-`",
        ListUnnamed => "names no file; write @FILE, without a blank between",
        ListTooLarge { max_mib: u64 } => "is larger than {max_mib} MiB; split the list",
        ListNotUtf8 => "is not UTF-8 text; save the list as plain text",
        ListEmpty => "names no host; write one or more a line",
        StdinReadTwice => "stdin can be read only once; name it once",

        // The register.
        RegisterNotRegular => "is not a regular file; name the spreadsheet or the CSV file itself",
        RegisterTooLarge { max_mib: u64 } => "is too large (more than {max_mib} MiB); keep the machines in a file of their own",
        RegisterUnpacksTooLarge { max_gib: u64 } => "is too large (more than {max_gib} GiB once unpacked); keep the machines in a file of their own",
        RegisterTooManyRows { max: u64 } => "is too large (more than {max} rows); keep the machines in a file of their own",
        RegisterOldFormat => "is an old .xls, or protected by a password; save it as .xlsx, .ods or .csv",
        RegisterOtherFormat { what } => "is {what}; save it as .xlsx, .ods or .csv",
        RegisterBinary => "is neither a spreadsheet nor text; save it as .xlsx, .ods or .csv",
        RegisterMisnamed => "is called a spreadsheet but is none; save it as .xlsx, .ods or .csv",
        RegisterEmpty => "is empty; save it as .xlsx, .ods or .csv",
        RegisterDamaged => "is damaged, or no spreadsheet; open it in LibreOffice or Excel and save it again",
        RegisterStringsMiscounted => "is damaged (it counts more strings than it holds); open it in LibreOffice or Excel and save it again",
        RegisterColumnBeyondLast => "is damaged (a cell lies beyond the last column); open it in LibreOffice or Excel and save it again",
        RegisterReadingEndless => "is damaged (reading it does not end); open it in LibreOffice or Excel and save it again",
        RegisterReadingBroken => "is damaged (reading it broke off); open it in LibreOffice or Excel and save it again",
        RegisterQuoteOpen => "a quoted cell is never closed; write a quote inside a cell twice",
        RegisterLacksSheet { sheet, sheets } => "has no sheet `{sheet}`; it has {sheets}",
        RegisterLacksSheets { sheet } => "has no sheet `{sheet}`; it has none, being a CSV file",
        RegisterLacksColumn { column, columns, hint } => "has no column `{column}`; it has {columns}{hint}",
        RegisterLacksColumns { column, hint } => "has no column `{column}`; it has no filled row at all{hint}",
        RegisterOtherSheets { sheets } => "; name another sheet with `sheet`: {sheets}",
        RegisterHeaderTooLow { number: u64, max: usize } => "its headings stand in row {number}, below the first {max} rows that may be titles; delete what stands above them",
        RegisterHeaderTwice { number: u64, again: u64 } => "its headings stand in row {number} and again in row {again}; keep one of them",
        RegisterHeaderInSeveralRows => "its headings stand in several rows; write all that the job names in one row",
        RegisterColumnTwice { column } => "two columns are called `{column}`; rename one",
        RegisterFilterEmpty { column } => "no value is wanted of column `{column}`; list some, or leave the column out",
        RegisterFormulaError { column, text } => "the formula in column `{column}` gives {text}; mend it, or write the value",
        RegisterFormulaNotComputed { column } => "the formula in column `{column}` has no value, as no office has computed it; open it in LibreOffice or Excel and save it again",
        RegisterCellIsDate { column, date } => "column `{column}` holds {date}, a date, not a name; give the cell the format Text and type the name again",
        RegisterCellNamesNoHost { column } => "column `{column}` names no host",
        RegisterHasNoHost { rows: u64 } => "none of its {rows} rows names a machine",
        RegisterHasNoHostWhere { rows: u64, filters } => "none of its {rows} rows names a machine where {filters}",
        RegisterFilter { column, values } => "`{column}` is {values}",
        RegisterFilterAnd => " and ",
        RegisterSheet { file, sheet } => "{file}, sheet {sheet}",
        RegisterSheetChosen { sheet, others } => "read its first sheet, {sheet}; not read: {others}",
        RegisterRowsUnnamed { unit, rows, column } => "left out {unit} {rows}: nothing in column `{column}`",
        RegisterValuesUnseen { values, column } => "no row has {values} in column `{column}`",
        RegisterCellsEmpty { rows: u64, column } => "left out {rows} rows with nothing in column `{column}`; if its cells are merged, save the register as .xlsx, as merged cells cannot be told from empty ones here",

        // ssh_config.
        ConfigNotRegular { file } => "{file} is not a regular file; name an ssh_config",
        ConfigIncludeLoop { chain } => "this Include leads in a circle: {chain}; remove one of them",
        ConfigIncludeTooDeep { max: usize } => "includes nest deeper than the {max} that ssh allows; include this file from a higher one",
        ConfigTooLarge { max_files: usize, max_mib: u64 } => "the ssh_config and its includes come to more than {max_files} files or {max_mib} MiB; use -F with a smaller one",
        ConfigQuoteOpen => "a quote is never closed; close it on its line",
        ConfigLacksAlias { hint } => "no Host alias of the ssh_config in use is like this; {hint}",
        ConfigNamesNoHost => "it names no host; name the hosts, or use -F",
        ConfigAliasesDiffer { count: usize } => "none of its {count} is near; check the pattern",
        ConfigNearestAliases { names } => "the nearest: {names}",

        // `ssh -G`.
        SshNotStarted => "ssh cannot be started; is OpenSSH's client installed, and in PATH?",
        SshRefuses { said } => "ssh -G refuses: {said}; correct the ssh_config or the name",
        SshSilent { seconds: u64 } => "ssh -G gave no answer within {seconds} s; is a Match exec of the ssh_config hanging?",
    }
}
