//! The reference file and the sample file agree with the code.

use config::{Configuration, Program, Share, Wrapper};

const REFERENCE: &str = include_str!("../reference.toml");
const SAMPLE: &str = include_str!("../shares.toml");

/// What the reference shows: the defaults, and one share with the two settings that have none, a
/// program and a wrapper of each kind.
fn shown_by_reference() -> Configuration {
    let name = "example".to_owned();
    let path = Some("/srv/example".into());
    let share = Share {
        name,
        path,
        programs: vec![Program {
            path: "/usr/bin/example".into(),
            ..Program::default()
        }],
        wrappers: Wrapper::each(),
        ..Share::default()
    };
    Configuration {
        shares: vec![share],
        ..Configuration::default()
    }
}

#[test]
fn the_reference_shows_every_default() {
    let reference = Configuration::parse(REFERENCE, "/reference.toml").unwrap();
    assert_eq!(reference, shown_by_reference());
}

#[test]
fn the_reference_names_every_setting_and_no_other_in_the_order_of_the_code() {
    let settings = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(
        settings(REFERENCE),
        settings(&shown_by_reference().to_toml())
    );
}

#[test]
fn the_reference_says_above_each_setting_what_it_takes_and_when_it_takes_effect() {
    let mut lines = REFERENCE.lines();
    for (setting, takes) in Configuration::settings() {
        let name = setting.rsplit('.').next().unwrap();
        let mut above = Vec::new();
        for line in lines.by_ref() {
            if line.starts_with(&format!("{name} = ")) {
                break;
            }
            above.push(line);
        }
        assert_eq!(above.pop(), Some(takes.as_str()), "above {setting}");
        let meaning = above.pop().unwrap_or_default();
        assert!(
            meaning.starts_with("# ") && meaning.len() > 10,
            "{setting} has no meaning"
        );
    }
}

#[test]
fn the_sample_file_is_right_and_safe() {
    let sample = Configuration::parse(SAMPLE, "config/shares.toml").unwrap();
    assert!(sample.server.listens_on_loopback_only());
    assert!(sample.demo.user.is_some());
    assert_eq!(sample.shares.len(), 3);
    for share in &sample.shares {
        assert!(
            share.path.as_ref().unwrap().starts_with("config/demo"),
            "{}",
            share.name
        );
    }
}
