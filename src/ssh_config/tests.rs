//! ssh_configs of every shape, read from real folders.

use super::reader::Reader;
use super::*;
use proptest::prelude::*;

/// The aliases of a home whose `.ssh` holds `files`; `config` is read as ssh reads the user's.
fn names(files: &[(&str, &str)]) -> Vec<String> {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".ssh");
    for (name, content) in files {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    let mut reader = Reader::new(home.path().to_owned());
    reader.read_file(&folder.join("config"), &folder, "test").unwrap();
    reader.aliases.into_iter().map(|alias| alias.name.to_string()).collect()
}

#[test]
fn names_are_aliases_and_patterns_are_not() {
    let config = "\u{feff}Host a b\r\n  HostName x\r\nHost *\nHost !c d-* e? f\nhost=g\nHOST \"h\" a\n\
                  Match host i exec \"Host j\"\n  User Host\nHost k # l\n#Host m\nHostName n\nHost -o é\n";
    assert_eq!(names(&[("config", config)]), ["a", "b", "f", "g", "h", "k", "é"]);
}

#[test]
fn the_names_of_a_host_line_are_those_that_ssh_matches() {
    let lines = [
        "Host x y",
        "Host op@x y",
        "Host !x x y",
        "Host x y !x",
        "Host x xy y !x*",
        "Host a\u{a0}x y",
        "Host a\x0cx y\x0c",
        "Host a\x0bx y",
        "Host \u{a0} x\ty",
        "Host a\rx y\r",
    ];
    for line in lines {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        std::fs::write(&config, format!("{line}\n  Port 77\n")).unwrap();
        let found = list_aliases(Some(&config)).unwrap();
        let found: Vec<&str> = found.iter().map(|alias| &*alias.name).collect();
        let is_known = |name: &str| {
            let ssh = std::process::Command::new("ssh")
                .arg("-G")
                .arg("-F")
                .arg(&config)
                .args(["--", name])
                .output();
            String::from_utf8_lossy(&ssh.unwrap().stdout).contains("\nport 77\n")
        };
        assert!(!found.iter().any(|name| name.contains('@')), "{line:?}");
        for name in ["x", "y", "a", "xy", "!x"] {
            assert_eq!(found.contains(&name), is_known(name), "{name} of {line:?}");
        }
    }
}

#[test]
fn includes_are_followed_as_ssh_does() {
    let files = [
        (
            "config",
            "Host a\n  Include conf.d/* ~/.ssh/own \"with blank\"\nMatch all\nInclude absent conf.d/folder conf.d/20/x nested/*/[hx]*.conf\n",
        ),
        ("conf.d/20", "Host c"),
        ("conf.d/10", "Host b\nInclude deep"),
        ("conf.d/.hidden", "Host hidden"),
        ("deep", "Host deep"),
        ("own", "Host own"),
        ("with blank", "Host blank"),
        ("nested/one/h1.conf", "Host n1"),
        ("nested/two/h2.conf", "Host n2"),
        ("nested/two/h3", "Host n3"),
        ("conf.d/folder/own", "Host inside"),
    ];
    assert_eq!(names(&files), ["a", "b", "deep", "c", "own", "blank", "n1", "n2"]);
}

#[test]
fn bytes_that_are_no_utf_8_spoil_their_line_only() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config");
    std::fs::write(&config, b"# caf\xe9\nHost caf\xe9 a\n\x00\xff\nHost b\n").unwrap();
    let found = list_aliases(Some(&config)).unwrap();
    let found: Vec<(&str, u64)> = found.iter().map(|alias| (&*alias.name, alias.line)).collect();
    assert_eq!(found, [("a", 2), ("b", 4)]);
}

#[test]
fn none_is_no_file() {
    assert!(list_aliases(Some(Path::new("none"))).unwrap().is_empty());
}

#[test]
fn a_pattern_matches_in_order_or_suggests_the_nearest() {
    let alias = |name: &str| Alias { name: name.into(), file: PathBuf::from("config"), line: 1 };
    let all = ["prod-web-1", "prod-db-1", "recette-1", "prod-web-2"].map(alias);
    let chosen: Vec<&str> =
        match_aliases("prod-web-?", &all).unwrap().iter().map(|alias| &*alias.name).collect();
    assert_eq!(chosen, ["prod-web-1", "prod-web-2"]);
    let error = |pattern| match_aliases(pattern, &all).unwrap_err().to_string();
    assert!(error("rectte-*").ends_with("the nearest: recette-1"), "{}", error("rectte-*"));
    assert!(error("prod-wbe-*").contains("the nearest: prod-web-1, prod-web-2"), "{}", error("prod-wbe-*"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_ssh_config_panics(content: Vec<u8>, text in "(Host|Include|Match|[ =\"'\\\\\n*a/-]){0,30}") {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        for content in [content, text.into_bytes()] {
            std::fs::write(&config, content).unwrap();
            let mut reader = Reader::new(folder.path().to_owned());
            let _ = reader.read_file(&config, folder.path(), "test");
        }
    }
}
