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

/// A ZIP archive of these parts.
fn package(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut into = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, content) in parts {
        into.start_file(*name, stored).unwrap();
        std::io::Write::write_all(&mut into, content.as_bytes()).unwrap();
    }
    into.finish().unwrap().into_inner()
}

/// An XLSX file whose one sheet holds these rows; the style 1 is a date, 2 a date with its time. Behind `chart`, the
/// sheet stands second, after a sheet that is a chart.
fn xlsx(rows: &str, chart: bool) -> Vec<u8> {
    const TYPES: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let id = |sheet: &str, nth: u8| format!("<sheet name='{sheet}' sheetId='{nth}' r:id='rId{nth}'/>");
    let relation = |nth: u8, kind: &str, target: &str| {
        format!("<Relationship Id='rId{nth}' Type='{TYPES}/{kind}' Target='{target}'/>")
    };
    let first = if chart { id("Graphique", 2) } else { String::new() };
    let office = relation(1, "officeDocument", "xl/workbook.xml");
    package(&[
        ("_rels/.rels", &format!("<Relationships>{office}</Relationships>")),
        (
            "xl/workbook.xml",
            &format!("<workbook xmlns:r='{TYPES}'><sheets>{first}{}</sheets></workbook>", id("M", 1)),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            &format!(
                "<Relationships>{}{}{}</Relationships>",
                relation(1, "worksheet", "worksheets/sheet1.xml"),
                relation(2, "chartsheet", "chartsheets/sheet1.xml"),
                relation(3, "styles", "styles.xml")
            ),
        ),
        (
            "xl/styles.xml",
            "<styleSheet><cellXfs><xf numFmtId='0'/><xf numFmtId='14'/><xf numFmtId='22'/></cellXfs></styleSheet>",
        ),
        ("xl/chartsheets/sheet1.xml", "<chartsheet><drawing r:id='rId1'/></chartsheet>"),
        ("xl/worksheets/sheet1.xml", &format!("<worksheet><sheetData>{rows}</sheetData></worksheet>")),
    ])
}

/// A row of XLSX; a cell that is no tag is a text.
fn row(number: u32, cells: &[&str]) -> String {
    let cell = |text: &&str| match text.starts_with('<') {
        true => (*text).to_owned(),
        false => format!("<c t='inlineStr'><is><t>{text}</t></is></c>"),
    };
    format!("<row r='{number}'>{}</row>", cells.iter().map(cell).collect::<String>())
}

/// Reads a register; its machines are in the column `Serveur`. Returns their names, or the error.
fn read_bytes(file: &str, content: Vec<u8>, filters: &[(&str, &str)]) -> String {
    let filters = filters.iter().map(|(heading, value)| ((*heading).to_owned(), vec![(*value).to_owned()]));
    let register =
        Register { file: file.into(), sheet: None, host: "Serveur".into(), filters: filters.collect() };
    match parse_content(&register, file, content) {
        Ok(found) => found.hosts.iter().map(|host| host.to_string()).collect::<Vec<_>>().join(" "),
        Err(error) => crate::escape::error_chain(&error),
    }
}

#[test]
fn the_header_is_the_row_that_holds_the_headings_and_stands_once() {
    let csv = |text: &str| read_bytes("r.csv", text.as_bytes().to_vec(), &[]);
    // A title is no header, whatever stands between.
    assert_eq!(csv("Serveur;;\nMis à jour le;12/03\n\nN°;Serveur;IP\n1;a;x\n2;b;y\n"), "a b");
    assert_eq!(csv("Serveur\nN°;Serveur\n1;a\n"), "a");
    // A cell like the heading is no heading.
    assert_eq!(csv("Nom;Serveur;Type\nx;a;Serveur\ny;b;Poste\n"), "a b");
    assert_eq!(csv("Serveur\na\n"), "a");
    let twice = csv("Serveur;IP\na;1\nServeur;IP\nb;2\n");
    assert!(twice.contains("its headings stand in row 1 and again in row 3; keep one"), "{twice}");
    let fuller = csv("Serveur;12/03/2026\nN°;Serveur;IP\n1;a;x\n");
    assert!(fuller.contains("its headings stand in row 1 and again in row 2"), "{fuller}");
    let titles = |count: usize| csv(&format!("{}Serveur;IP\na;1\n", "titre;\n".repeat(count)));
    assert_eq!(titles(50), "a");
    let low = titles(51);
    assert!(low.contains("stand in row 52, below the first 50 rows that may be titles; delete"), "{low}");
    assert!(csv("Nom\na\n").contains("has no column `Serveur`; it has Nom"));
}

#[test]
fn headings_in_two_rows_are_named_as_the_reason() {
    let merged = [row(1, &["Serveur", "Parc"]), row(2, &["<c/>", "Groupe"]), row(3, &["a", "A"])].concat();
    let said = read_bytes("r.xlsx", xlsx(&merged, false), &[("Groupe", "A")]);
    assert!(
        said.contains("its headings stand in several rows; write all that the job names in one row"),
        "{said}"
    );
}

#[test]
fn a_formula_without_a_value_is_named_as_the_reason() {
    let formula = "<c t='str'><f>A1</f></c>";
    let rows =
        |name, group| [row(1, &["Serveur", "Groupe"]), row(2, &["a", "A"]), row(3, &[name, group])].concat();
    let said = |name, group| read_bytes("r.xlsx", xlsx(&rows(name, group), false), &[("Groupe", "A")]);
    let reason =
        "has no value, as no office has computed it; open it in LibreOffice or Excel and save it again";
    assert_eq!(
        said("b", formula),
        format!("r.xlsx, sheet M, row 3: the formula in column `Groupe` {reason}")
    );
    assert_eq!(
        said(formula, "A"),
        format!("r.xlsx, sheet M, row 3: the formula in column `Serveur` {reason}")
    );
    let shared = "<c t='str'><f t='shared' si='0'/></c>";
    assert_eq!(said("b", shared), format!("r.xlsx, sheet M, row 3: the formula in column `Groupe` {reason}"));
    assert_eq!(said("b", "<c t='str'><f>A1</f><v>A</v></c>"), "a b");
    assert_eq!(said("b", "<c t='str'><f>A1</f><v></v></c>"), "a", "the office computed an empty text");
    let bare = |xml: String| {
        xml.replacen("<table:table-cell office:value-type=\"string\" calcext:value-type=\"string\"><text:p>serveur2</text:p>", "<table:table-cell table:formula=\"of:=A1\">", 1)
    };
    let register = Register {
        file: "r.ods".into(),
        sheet: Some("Machines".into()),
        host: "Machine".into(),
        ..Register::default()
    };
    let said = parse_content(&register, "r.ods", bent("referentiel.ods", "content.xml", bare))
        .unwrap_err()
        .to_string();
    assert_eq!(said, format!("r.ods, sheet Machines, row 5: the formula in column `Machine` {reason}"));
}

#[test]
fn a_date_is_a_value_as_in_ods_and_no_name() {
    let (date, moment) = ("<c s='1'><v>46093</v></c>", "<c s='2'><v>46093.5</v></c>");
    let rows = |name| [row(1, &["Serveur", "Vu"]), row(2, &["a", date]), row(3, &[name, moment])].concat();
    let said = |name, seen| read_bytes("r.xlsx", xlsx(&rows(name), false), &[("Vu", seen)]);
    assert_eq!(said("b", "2026-03-12"), "a");
    assert_eq!(said("b", "2026-03-12T12:00:00"), "b");
    let refused = said(date, "2026-03-12T12:00:00");
    assert!(
        refused.contains("row 3: column `Serveur` holds 2026-03-12, a date, not a name; give"),
        "{refused}"
    );
}

#[test]
fn a_chart_is_no_sheet_to_read() {
    let rows = [row(1, &["Serveur"]), row(2, &["a"])].concat();
    assert_eq!(read_bytes("r.xlsx", xlsx(&rows, true), &[]), "a");
}

#[test]
fn files_of_other_formats_are_named() {
    let mimetype = "application/vnd.oasis.opendocument.";
    let spreadsheet = format!("{mimetype}spreadsheet");
    let encrypted = "<manifest:manifest><manifest:file-entry manifest:full-path='content.xml'>\
                     <manifest:encryption-data/></manifest:file-entry></manifest:manifest>";
    let text = package(&[("mimetype", &format!("{mimetype}text")), ("content.xml", "<x/>")]);
    let locked =
        package(&[("mimetype", &spreadsheet), ("content.xml", "?"), ("META-INF/manifest.xml", encrypted)]);
    let fods = std::fs::read(data("referentiel.fods")).unwrap();
    let cases = [
        ("r.xlsb", package(&[("xl/workbook.bin", "")]), "a binary workbook (.xlsb)"),
        ("r.docx", package(&[("word/document.xml", "")]), "a text document"),
        ("r.xlsx", package(&[("ppt/presentation.xml", "")]), "a presentation"),
        ("r.numbers", package(&[("Index/Document.iwa", "")]), "a document of Numbers or Pages"),
        ("r.ods", text, "a document, but no spreadsheet"),
        ("r.ods", locked, "protected by a password"),
        ("r.fods", fods, "XML or HTML, as .fods is"),
        ("r.csv", b"\xef\xbb\xbf<?xml version='1.0'?>".to_vec(), "XML or HTML, as .fods is"),
        ("r.xls", b"\n<html><table>".to_vec(), "XML or HTML, as .fods is"),
    ];
    for (file, content, what) in cases {
        let said = format!("{file}: is {what}; save it as .xlsx, .ods or .csv");
        assert_eq!(read_bytes(file, content, &[]), said);
    }
}

#[test]
fn accents_compare_composed() {
    let csv = "Serveur;Socie\u{301}te\u{301}\na;Fore\u{302}ts\n".as_bytes().to_vec();
    assert_eq!(read_bytes("r.csv", csv, &[("Société", "FORÊTS")]), "a");
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
