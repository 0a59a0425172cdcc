//! Every kind of mistake in a configuration file, with its exact text.

use config::Configuration;

/// The mistakes of a text, without the file's name.
fn mistakes(text: &str) -> Vec<String> {
    let Err(mistakes) = Configuration::parse(text, "f.toml") else {
        return Vec::new();
    };
    let lines = mistakes.to_string();
    lines
        .lines()
        .map(|line| line.strip_prefix("f.toml:").unwrap().to_owned())
        .collect()
}

#[test]
fn an_empty_file_is_the_defaults() {
    assert_eq!(
        Configuration::parse("", "f.toml").unwrap(),
        Configuration::default()
    );
}

#[test]
fn all_mistakes_are_reported_in_one_go_in_the_order_of_their_lines() {
    let text = r#"
[server]
listen = ["127.0.0.1:445", "localhost:445"]
sining = "required"
signing = "maybe"

[limits]
connections = 0

[[share]]
name = "a/b"
path = "/srv"
colour = "red"

[sever]
"#;
    let expected = [
        r#"3: server.listen: "localhost:445" does not fit; give a list, each an address with its port such as "127.0.0.1:445" or "[::1]:445""#,
        r#"4: server.sining: there is no such setting; perhaps "signing" is meant"#,
        r#"5: server.signing: "maybe" does not fit; give "offered" or "required""#,
        r#"8: limits.connections: 0 does not fit; give a whole number, 1 to 1000000"#,
        r#"11: share.name: "a/b" does not fit; give a name of 1 to 80 letters without " \ / [ ] : | < > + = ; , * ?, and not IPC$"#,
        r#"13: share.colour: there is no such setting; give one of name, kind, path, memory_size, create_directory, comment, hidden, read_only, users, groups, denied_users, read_only_users, permissions, guest, max_connections, encryption, force_user, follow_symlinks, case_sensitive, hide_dot_files, hide_files, file_mode, directory_mode, streams, access_based_enumeration, caching, oplocks, pending_replay, continuous_availability, print_command, print_timeout, print_job_size, print_jobs, print_jobs_per_user, compartments, program, wrapper"#,
        r#"15: sever: there is no such section; perhaps "server" is meant"#,
    ];
    assert_eq!(mistakes(text), expected);
}

#[test]
fn text_that_is_not_toml_reports_its_syntax_only() {
    let found = mistakes("[server]\nlisten = \nsining = 1\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("2: syntax: "), "{found:?}");
    let twice = mistakes("[server]\ncomment = 'a'\ncomment = 'b'\n");
    assert!(
        twice[0].starts_with("3: syntax: duplicate key"),
        "{twice:?}"
    );
}

#[test]
fn sections_must_be_sections() {
    let server = r#"1: server: it is of type integer; give a section: [server] on its own line and its settings below"#;
    assert_eq!(mistakes("server = 1"), [server]);
    let share = r#"1: share: it is one section; give each share as [[share]], with two brackets"#;
    assert_eq!(mistakes("[share]\nname = 'a'"), [share]);
}

#[test]
fn dialects_and_protections_must_go_together() {
    assert_eq!(
        mistakes("[server]\nmin_dialect = '3.1.1'\nmax_dialect = '2.1'\nencryption = 'required'"),
        [
            "2: server.min_dialect: it is greater than max_dialect; give a dialect up to max_dialect",
            r#"4: server.encryption: no dialect up to max_dialect can encrypt; give max_dialect = "3.0" or greater"#,
        ]
    );
    assert_eq!(
        mistakes("[server]\nciphers = []\nsigning_algorithms = []"),
        [
            r#"2: server.ciphers: the list is empty; give at least one cipher, or encryption = "off""#,
            r#"3: server.signing_algorithms: the list is empty; give a list, each "aes-128-gmac", "aes-128-cmac" or "hmac-sha256""#,
        ]
    );
    assert_eq!(
        mistakes("[server]\nguest = 'bad-user'\nencryption = 'required'"),
        [
            r#"2: server.guest: guests have no key and cannot encrypt, which encryption = "required" demands; give guest = "never", or encryption = "desired""#
        ]
    );
}

#[test]
fn names_must_fit_their_fields() {
    let long = mistakes("[server]\nnetbios_name = 'SIXTEEN-LETTERS-'\ndomain = ''");
    assert_eq!(
        long,
        [
            r#"2: server.netbios_name: "SIXTEEN-LETTERS-" does not fit; give a name of 1 to 15 letters, or "" for the host's name"#,
            r#"3: server.domain: "" does not fit; give a name of 1 to 15 letters"#,
        ]
    );
    assert_eq!(mistakes("[server]\nnetbios_name = ''"), [""; 0]);
}

#[test]
fn shares_must_make_sense() {
    let text = "[server]\nencryption = 'off'\n[[share]]\n\n[[share]]\nname = 'm'\nkind = 'memory'\npath = '/m'\n\
                guest = true\n[[share]]\nname = 'M'\nkind = 'memory'\nencryption = 'required'\n";
    assert_eq!(
        mistakes(text),
        [
            r#"3: share.name: the share has none; give a name of 1 to 80 letters without " \ / [ ] : | < > + = ; , * ?, and not IPC$"#,
            r#"3: share.path: a disk share needs one; give the folder to serve"#,
            r#"8: share.path: a memory share has none; leave it out"#,
            r#"9: share.guest: nobody becomes a guest while server.guest = "never"; give server.guest = "bad-user", or leave this out"#,
            r#"11: share.name: another share is called "M"; give each share its own name; case does not count"#,
            r#"13: share.encryption: nobody can encrypt while server.encryption = "off"; give server.encryption = "offered" or more"#,
        ]
    );
}

#[test]
fn a_demo_account_needs_loopback() {
    let text = "[server]\nlisten = ['0.0.0.0:445']\n[demo]\nuser = 'demo'\npassword = 'demo'\n";
    assert_eq!(
        mistakes(text),
        [
            r#"4: demo.user: its password is public, and server.listen is reachable from other machines; listen on 127.0.0.1 and [::1] only, or use "smbd user add" instead"#
        ]
    );
    let half = mistakes("[server]\nlisten = ['[::1]:4450']\n[demo]\nuser = 'demo'\n");
    assert_eq!(
        half,
        ["4: demo.user: a demo account needs user and password; give both, or neither"]
    );
}

#[test]
fn limits_must_go_together() {
    let text = "[limits]\nframe_size = '4 MiB'\nconnections = 10\n";
    assert_eq!(
        mistakes(text),
        [
            "1: limits.connections_per_address: it is greater than limits.connections; give at most 10",
            "2: limits.frame_size: it has no room for the longest READ, WRITE or transaction and its headers; give at least 8454144",
        ]
    );
}

#[test]
fn relative_paths_count_from_the_file() {
    let text = "[server]\nstate_dir = 'state'\n[[share]]\nname = 'a'\npath = '../a'\n";
    let configuration = Configuration::parse(text, "etc/smbd/f.toml").unwrap();
    assert_eq!(
        configuration.server.state_dir.to_str(),
        Some("etc/smbd/state")
    );
    assert_eq!(
        configuration.server.accounts.to_str(),
        Some("/etc/smbd/accounts")
    );
    assert_eq!(
        configuration.shares[0].path.as_ref().unwrap().to_str(),
        Some("etc/smbd/../a")
    );
}

#[test]
fn the_effective_configuration_reads_back_as_itself() {
    let text = "[server]\nlisten = ['127.0.0.1:4450']\ncomment = 'a \"b\"'\n[identity]\nforce_user = 'b'\n\
                [log]\nrequests = 'debug'\n[limits]\nlogon_delay = '1500 ms'\n[demo]\nuser = 'd'\npassword = 'p'\n\
                [[share]]\nname = 'a'\npath = '/a'\nusers = ['x']\n[[share]]\nname = 'b'\nkind = 'memory'\n";
    let configuration = Configuration::parse(text, "/f.toml").unwrap();
    let again = Configuration::parse(&configuration.to_toml(), "/f.toml").unwrap();
    assert_eq!(again, configuration);
}
