//! The Registry double answers as the real servers were recorded to.

use crate::registry_double::replay;
use crate::registry_double::{Provider, RegistryDouble, Release};

/// Exchanges that the double does not match, by recording (a part of its name), scenario and number, with the reason.
/// One that starts to match has to be taken out.
const EXCEPTIONS: &[(&str, &str, usize, &str)] = &[];

fn check(name: &str, release: Release, provider: Provider) {
    let double = RegistryDouble::start(release, provider);
    let (differences, count) = replay::replay(&double.url(), &replay::load(name));
    assert!(count > 380, "{name}: only {count} exchanges");
    let excepted = |scenario: &str, number: usize| {
        EXCEPTIONS.iter().any(|it| name.contains(it.0) && it.1 == scenario && it.2 == number)
    };
    let unexpected: Vec<_> =
        differences.iter().filter(|it| !excepted(&it.scenario, it.number)).collect();
    let text: Vec<_> =
        unexpected.iter().map(|it| format!("{} {}: {}", it.scenario, it.number, it.text)).collect();
    assert!(
        unexpected.is_empty(),
        "{name}: {} of {count} differ\n{}",
        unexpected.len(),
        text.join("\n")
    );
    for (part, scenario, number, reason) in EXCEPTIONS.iter().filter(|it| name.contains(it.0)) {
        let differs = differences.iter().any(|it| it.scenario == *scenario && it.number == *number);
        assert!(
            differs,
            "{part}: {scenario} {number} matches now; take the exception out ({reason})"
        );
    }
}

#[test]
fn recording_of_0_8_0_file() {
    check("registry-0.8.0-file.json", Release::V0_8_0, Provider::File);
}

/// 0.8.0 answers alike with both providers, so there is one recording.
#[test]
fn recording_of_0_8_0_file_holds_for_database() {
    check("registry-0.8.0-file.json", Release::V0_8_0, Provider::Database);
}

#[test]
fn recording_of_1_28_1_file() {
    check("registry-1.28.1-file.json", Release::V1_28_1, Provider::File);
}

#[test]
fn recording_of_1_28_1_database() {
    check("registry-1.28.1-database.json", Release::V1_28_1, Provider::Database);
}

#[test]
fn recording_of_2_11_0_file() {
    check("registry-2.11.0-file.json", Release::V2_11_0, Provider::File);
}

#[test]
fn recording_of_2_11_0_database() {
    check("registry-2.11.0-database.json", Release::V2_11_0, Provider::Database);
}
