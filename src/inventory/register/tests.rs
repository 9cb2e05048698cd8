//! Registers as offices write them: the files that LibreOffice made, and CSV of every kind.

use std::path::Path;

use super::*;
use proptest::prelude::*;

use crate::escape::escape;

fn read(file: &Path, sheet: Option<&str>, filters: &[(&str, &[&str])]) -> RegisterHosts {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let filters = filters.iter().map(|(heading, values)| ((*heading).to_owned(), owned(values))).collect();
    let register =
        Register { file: file.to_owned(), sheet: sheet.map(str::to_owned), host: "machine".into(), filters };
    read_register(&register).unwrap()
}

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/register").join(file)
}

#[test]
fn every_format_gives_the_machines_of_the_same_rows() {
    let files =
        ["referentiel.xlsx", "referentiel.ods", "windows-1252.csv", "utf8-virgule.csv", "utf16-tab.csv"];
    for file in files {
        let sheet = (!file.ends_with("csv")).then_some(" MACHINES ");
        let found = read(&data(file), sheet, &[]);
        let all = ["serveur1", "serveur2", "serveur3", "machine1", "machine2", "machine3"];
        assert_eq!(found.hosts, all, "{file}");
        assert!(
            found.notes.iter().any(|note| note.contains("9: nothing in column `machine`")),
            "{:?}",
            found.notes
        );
        let chosen =
            read(&data(file), sheet, &[("USER_dollaru", &["Oui", "x"]), ("Groupe", &["b", "C"])]).hosts;
        assert_eq!(chosen, ["machine1", "machine3"], "{file}");
        assert_eq!(
            read(&data(file), sheet, &[("User_DollarU", &["", "non"])]).hosts,
            ["serveur3", "machine2"]
        );
        assert_eq!(read(&data(file), sheet, &[("N° d’ordre", &["6"])]).hosts, ["machine2"]);
    }
}

#[test]
fn a_cell_merged_over_rows_counts_for_all_of_them() {
    let group = [("Groupe", &["A"][..])];
    assert_eq!(
        read(&data("referentiel.xlsx"), Some("Machines"), &group).hosts,
        ["serveur1", "serveur2", "serveur3"]
    );
    // ODS keeps no word of it: the note says what to do.
    let ods = read(&data("referentiel.ods"), Some("Machines"), &group);
    assert_eq!(ods.hosts, ["serveur1"]);
    assert!(
        ods.notes
            .iter()
            .any(|note| note.contains("left out 2 rows") && note.contains("save the register as .xlsx"))
    );
}

#[test]
fn accents_compare_whatever_the_encoding() {
    for (file, sheet) in
        [("referentiel.xlsx", Some("Machines")), ("windows-1252.csv", None), ("utf16-tab.csv", None)]
    {
        let found = read(&data(file), sheet, &[("SOCIÉTÉ", &["forêts & œuvres"])]);
        assert_eq!(found.hosts, ["serveur2"], "{file}");
    }
}

#[test]
fn a_csv_typed_by_hand_is_read() {
    let found = read(&data("saisie-a-la-main.csv"), None, &[("Groupe", &["A", "D"])]);
    assert_eq!(found.hosts, ["serveur1", "serveur2", "serveur3"]);
    assert!(
        found.notes.iter().any(|note| note.contains("no row has `d` in column `Groupe`")),
        "{:?}",
        found.notes
    );
}

#[test]
fn separators_byte_order_marks_and_line_ends_are_detected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.csv");
    let cases: [&[u8]; 6] = [
        b"sep=;\r\nMachine;Groupe\r\na;A\r\n",
        b"\xef\xbb\xbf\"Machine\",\"Groupe;x\",Groupe\n\"a\",\"1;2;3\",A\n",
        b"Machine\tGroupe\na\tA",
        b"Soci\xe9t\xe9 X\rMachine;Groupe\ra;A\r",
        b"\n\n ;\nGROUPE;\xa0machine\xa0;;;\nA; a ;;;;;\n\n",
        b"\xfe\xff\0M\0a\0c\0h\0i\0n\0e\0,\0G\0r\0o\0u\0p\0e\0\n\0a\0,\0A\0\n",
    ];
    for content in cases {
        std::fs::write(&file, content).unwrap();
        assert_eq!(read(&file, None, &[("Groupe", &["A"])]).hosts, ["a"], "{}", escape(content));
    }
}

/// A LibreOffice file with one of its parts changed.
fn bent(file: &str, part: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let mut from = zip::ZipArchive::new(std::fs::File::open(data(file)).unwrap()).unwrap();
    let mut into = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for nth in 0..from.len() {
        let mut entry = from.by_index(nth).unwrap();
        let (name, mut content) = (entry.name().unwrap().into_owned(), Vec::new());
        std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
        if name == part {
            content = change(String::from_utf8(content).unwrap()).into_bytes();
        }
        into.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut into, &content).unwrap();
    }
    into.finish().unwrap().into_inner()
}

#[test]
fn wrong_counts_of_a_spreadsheet_reserve_no_memory() {
    let many = |xml: String| xml.replacen("uniqueCount=\"", "uniqueCount=\"9999999", 1);
    let wide = |xml: String| xml.replacen("r=\"A1\"", "r=\"ZZZZZZ1\"", 1);
    let far = |xml: String| xml.replacen("r=\"A1\"", "r=\"A4294967295\"", 1);
    let sheet = "xl/worksheets/sheet1.xml";
    let cases = [
        (bent("referentiel.xlsx", "xl/sharedStrings.xml", many), "it counts more strings than it holds"),
        (bent("referentiel.xlsx", sheet, wide), "a cell lies beyond the last column"),
        (bent("referentiel.xlsx", sheet, far), "more than 1048576 rows"),
    ];
    for (content, said) in cases {
        let register =
            Register { file: "r.xlsx".into(), sheet: None, host: "x".into(), filters: BTreeMap::new() };
        let error = parse_content(&register, "r.xlsx", content).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_panic_of_the_parser_is_an_error() {
    let error = run_guarded("r.xlsx", || panic!("as a damaged file may")).unwrap_err();
    assert_eq!(error.to_string().split(';').next(), Some("r.xlsx: is damaged (reading it broke off)"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_csv_panics(content: Vec<u8>, text in "Machine[;,\t]Groupe\n[a;,\"\r\n\t]{0,40}") {
        for content in [content, text.into_bytes()] {
            let register = Register { file: "r.csv".into(), sheet: None, host: "Machine".into(), filters: BTreeMap::new() };
            let _ = parse_content(&register, "r.csv", content);
        }
    }

    #[test]
    fn no_bent_spreadsheet_panics(at: prop::sample::Index, byte: u8) {
        for name in ["referentiel.xlsx", "referentiel.ods"] {
            let mut content = std::fs::read(data(name)).unwrap();
            let place = at.index(content.len());
            content[place] = byte;
            let register = Register { file: name.into(), sheet: None, host: "Machine".into(), filters: BTreeMap::new() };
            let _ = parse_content(&register, name, content);
        }
    }
}
