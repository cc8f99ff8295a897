//! Tests of the check that need no command line; the others are in `tests/it/templates`.

use super::*;

#[test]
fn shipped_definitions_have_no_fault_but_what_a_command_line_would_say() {
    for shipped in SHIPPED {
        let checked = check(shipped.text, &|_| Ok(())).unwrap();
        assert_eq!(checked.faults, [], "{}", shipped.name);
        assert!(checked.processors > 3 && checked.unknown_types.is_empty(), "{}", shipped.name);
    }
    assert!(find("scheduled-sync").is_some() && find("nope").is_none());
}

#[test]
fn what_is_no_definition_is_all_faults() {
    assert!(check("{", &|_| Ok(())).is_err());
    let checked = check("{}", &|_| Ok(())).unwrap();
    assert!(
        checked.faults.iter().any(|fault| fault.message.contains("flowContents")),
        "{checked:?}"
    );
}
