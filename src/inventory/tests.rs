//! The selection as a whole, and bad input of every kind: the message must name what and where, and nothing panics.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use super::*;

/// An error with its causes, as the program prints it.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/register").join(file)
}

fn machines(file: PathBuf) -> Register {
    let filters = [("User_DollarU", owned(&["oui", "X"])), ("groupe", owned(&["A", "B"]))];
    let filters = filters.map(|(column, values)| (column.to_owned(), values)).into();
    let sheet = file.extension().is_some_and(|extension| extension != "csv").then(|| "machines".to_owned());
    Register { file, sheet, host: "machine".to_owned(), filters }
}

fn hosts(selected: &Selected) -> Vec<&str> {
    selected.targets.iter().map(|target| &*target.host).collect()
}

#[test]
fn all_ways_to_name_a_host_combine() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, "Host prod-b prod-a *.fr\nHost serveur1\n").unwrap();
    let selection = Selection {
        hosts: owned(&["z9", "m[1-3]", "prod-?", "m2", "User_VIP@x"]),
        exclude: owned(&["m3", "x", "nobody"]),
        only: owned(&["*[1-9]", "prod-*"]),
        register: Some(machines(data("referentiel.xlsx"))),
        config: Some(config),
    };
    let selected = select(&selection).unwrap();
    assert_eq!(hosts(&selected), ["z9", "m1", "m2", "prod-b", "prod-a", "serveur1", "serveur2", "machine1"]);
    let sources: Vec<&str> = selected.targets.iter().map(|target| target.source.as_str()).collect();
    assert_eq!(&sources[..2], ["by name", "m[1-3]"]);
    assert!(sources[3].starts_with("prod-? (") && sources[3].ends_with("config, line 1)"), "{}", sources[3]);
    assert!(sources[7].ends_with("referentiel.xlsx"));
    let notes = selected.notes.join("\n");
    assert!(notes.contains("named more than once, visited once: m2"), "{notes}");
    assert!(notes.contains("exclude nobody: none of the hosts is called so"), "{notes}");
    assert!(notes.contains("left out row 9: nothing in column `machine`"), "{notes}");
}

#[test]
fn ssh_config_is_read_only_for_a_glob() {
    let config = Some(PathBuf::from("/nowhere/at/all"));
    let selection = Selection { hosts: owned(&["a"]), config, ..Selection::default() };
    assert_eq!(hosts(&select(&selection).unwrap()), ["a"]);
}

#[test]
fn a_selection_that_chooses_nobody_is_an_error() {
    let named = |hosts: &[&str], exclude: &[&str], only: &[&str]| {
        let (hosts, exclude, only) = (owned(hosts), owned(exclude), owned(only));
        chain(&select(&Selection { hosts, exclude, only, ..Selection::default() }).unwrap_err())
    };
    let cases = [
        (named(&[], &[], &[]), "no host is named; use --hosts"),
        (named(&["m[1-3]"], &["m*"], &[]), "no host is left of m[1-3]"),
        (named(&["m[1-3]"], &[], &["n*"]), "no host is left of m[1-3]"),
        (named(&["a[1-60000]", "b[1-60000]"], &[], &[]), "120000 hosts are named, more than 100000"),
        (named(&["-oProxyCommand=x"], &[], &[]), "-oProxyCommand=x: begins with `-`"),
        (named(&["a;b"], &[], &[]), "a;b: holds a blank, `,`, `;` or `|`"),
        (named(&[""], &[], &[]), "a host's name cannot be empty"),
        (named(&["a"], &["n[3-1]"], &[]), "n[3-1]: the range 3-1 runs backwards"),
        (named(&["a"], &[], &["n["]), "n[: a `[` is never closed"),
    ];
    for (error, said) in cases {
        assert!(error.contains(said), "{error}");
    }
}

/// A file's name and content.
type Named<'a> = (&'a str, &'a [u8]);

/// Writes `config` and what it includes into a folder, then asks it for `*`.
fn alias_error(files: &[Named<'_>]) -> String {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let content = String::from_utf8_lossy(content).replace("DIR", folder.path().to_str().unwrap());
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let asked = ssh_config::list_aliases(Some(&folder.path().join("config")))
        .and_then(|aliases| ssh_config::match_aliases("prd-*", &aliases).map(drop));
    chain(&asked.unwrap_err()).replace(folder.path().to_str().unwrap(), "DIR")
}

#[test]
fn a_bad_ssh_config_is_named_with_its_line() {
    let huge = [b"# ".as_slice(), &vec![b'x'; 65 << 20]].concat();
    let deep: Vec<(String, String)> = (0..20)
        .map(|nth| {
            (if nth == 0 { "config".into() } else { format!("c{nth}") }, format!("Include DIR/c{}", nth + 1))
        })
        .collect();
    let deep: Vec<Named<'_>> = deep.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    let cases: [(Vec<Named<'_>>, &str); 14] = [
        (vec![], "-F: DIR/config: cannot be read: No such file"),
        (vec![("config", b"\nInclude /dev/null\n")], "DIR/config, line 2: /dev/null is not a regular file"),
        (vec![("config", b"Include /proc/self/mem\n")], "DIR/config, line 1: /proc/self/mem: cannot be read"),
        (vec![("config", b"\nInclude DIR/config\n")], "DIR/config, line 2: this Include leads in a circle"),
        (
            vec![("config", b"Include DIR/a"), ("a", b"#\nHost x\n Include DIR/c*")],
            "DIR/a, line 3: this Include leads in a circle: DIR/config → DIR/a → DIR/config; remove",
        ),
        (deep, "DIR/c16, line 1: includes nest deeper than the 16"),
        (vec![("config", b"Host a\nHost \"b\n")], "DIR/config, line 2: a quote is never closed"),
        (vec![("config", b"Include 'b\n")], "DIR/config, line 1: a quote is never closed"),
        (vec![("config", &huge)], "DIR/config: the ssh_config and its includes come to more than"),
        (
            vec![("config", b"")],
            "prd-*: no Host alias of the ssh_config in use is like this; it names no host",
        ),
        (vec![("config", b"\x00\xff\xfe\x01Host\x00")], "it names no host"),
        (vec![("config", b"Host *\nHost !prd-1 -prd-2 prd-?\nMatch host prd-3\n")], "it names no host"),
        (vec![("config", b"Host prod-1 zebra\n")], "the nearest: prod-1"),
        (vec![("config", b"Host zebra giraffe\n")], "none of its 2 is near"),
    ];
    for (files, said) in cases {
        let error = alias_error(&files);
        assert!(error.contains(said), "wanted {said}, got {error}");
    }
}

#[test]
fn a_folder_is_no_ssh_config() {
    let folder = tempfile::tempdir().unwrap();
    let error = chain(&ssh_config::list_aliases(Some(folder.path())).unwrap_err());
    assert!(error.starts_with("-F: ") && error.contains("is not a regular file"), "{error}");
}

/// A register of the given content, asked for the machines of group A.
fn register_error(name: &str, content: &[u8], sheet: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(name);
    std::fs::write(&file, content).unwrap();
    let filters = [("Groupe".to_owned(), owned(&["A"]))].into();
    let register = Register { file, sheet: sheet.map(str::to_owned), host: "Machine".to_owned(), filters };
    chain(&read_register(&register).unwrap_err()).replace(folder.path().to_str().unwrap(), "DIR")
}

#[test]
fn a_bad_register_is_named_with_its_place() {
    let (xlsx, ods) =
        (std::fs::read(data("referentiel.xlsx")).unwrap(), std::fs::read(data("referentiel.ods")).unwrap());
    let half = |content: &[u8]| content[..content.len() / 2].to_vec();
    let mut bent = xlsx.clone();
    bent[1000..1400].fill(0x55);
    let cases: [(&str, &[u8], Option<&str>, &str); 24] = [
        ("r.xlsx", b"", None, "DIR/r.xlsx: is empty"),
        ("r.xlsx", b"Machine;Groupe\na;A\n", None, "DIR/r.xlsx: is called a spreadsheet but is none"),
        ("r.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", None, "is an old .xls, or protected by a password"),
        ("r.csv", b"%PDF-1.7\0\0", None, "is neither a spreadsheet nor text"),
        ("r.csv", b"\xff\xfeM\0\0\0", None, "is neither a spreadsheet nor text"),
        ("r.xlsx", &half(&xlsx), None, "DIR/r.xlsx: is damaged, or no spreadsheet"),
        ("r.ods", &half(&ods), None, "DIR/r.ods: is damaged, or no spreadsheet"),
        ("r.xlsx", &bent, None, "is damaged"),
        ("r.ods", &xlsx, None, "is damaged, or no spreadsheet"),
        ("r.xlsx", b"PK\x03\x04", None, "is damaged, or no spreadsheet"),
        (
            "r.xlsx",
            &xlsx,
            Some("Absente"),
            "has no sheet `Absente`; it has Lisez-moi, Machines, En erreur, Vide",
        ),
        ("r.xlsx", &xlsx, None, "sheet Lisez-moi: has no column `Machine`; it has Ce classeur"),
        ("r.xlsx", &xlsx, None, "name another sheet with `sheet`: Machines, En erreur, Vide"),
        ("r.ods", &ods, Some("vide"), "sheet Vide: has no column `Machine`; it has no filled row at all"),
        (
            "r.xlsx",
            &xlsx,
            Some("En erreur"),
            "sheet En erreur, row 3: the formula in column `Machine` gives #N/A",
        ),
        (
            "r.ods",
            &ods,
            Some("En erreur"),
            "sheet En erreur, row 3: the formula in column `Machine` gives #N/A",
        ),
        ("r.csv", b"Machine;Groupe\na;#NOM?\n", None, "line 2: the formula in column `Groupe` gives #NOM?"),
        ("r.csv", b"Machine;Group\na;A\n", None, "DIR/r.csv: has no column `Groupe`; it has Machine, Group"),
        ("r.csv", b"Machine,Groupe,machine\na,A,b\n", None, "two columns are called `Machine`"),
        (
            "r.csv",
            b"Machine;Groupe\n\n\r\na b;A\n",
            None,
            "line 4: column `Machine` names no host: a b: holds a blank",
        ),
        (
            "r.csv",
            b"Machine;Groupe\n-v;A\n",
            None,
            "line 2: column `Machine` names no host: -v: begins with `-`",
        ),
        ("r.csv", b"Machine;Groupe\nok;A\nb;\"A\nc;A\n", None, "line 3: a quoted cell is never closed"),
        ("r.csv", b"Machine;Groupe\na;B\n", None, "none of its 1 rows names a machine where `Groupe` is `A`"),
        ("r.csv", b"Machine;Groupe\na;A\n", Some("x"), "has no sheet `x`; it has none, being a CSV file"),
    ];
    for (name, content, sheet, said) in cases {
        let error = register_error(name, content, sheet);
        assert!(error.contains(said), "wanted {said}, got {error}");
    }
}

#[test]
fn a_machine_with_its_port_is_refused() {
    let error = register_error("r.csv", b"Machine;Groupe\nb:22;A\n", None);
    let said = "line 2: column `Machine` names no host: b:22: holds a port; write b";
    assert!(error.contains(said), "{error}");
}

#[test]
fn a_register_that_is_no_file_is_an_error() {
    let ask = |file: &str| chain(&read_register(&machines(PathBuf::from(file))).unwrap_err());
    assert!(ask("/nowhere.csv").contains("/nowhere.csv: cannot be read: No such file"));
    assert!(ask("/tmp").contains("/tmp: is not a regular file"));
    let mut nothing = machines(data("utf8-virgule.csv"));
    nothing.filters = [("Groupe".to_owned(), Vec::new())].into();
    assert!(chain(&read_register(&nothing).unwrap_err()).contains("no value is wanted of column `Groupe`"));
}
