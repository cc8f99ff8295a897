//! Mistakes that compiling finds: position, message, and help.

use super::*;

/// Returns the mistakes of an expression: for each, the marked text, the message and the help.
fn mistakes(source: &str, wanted: Wanted) -> Vec<(String, String, String)> {
    let Err(mistakes) = Expression::compile(source, wanted) else {
        panic!("{source} has no mistake")
    };
    let shown = mistakes.into_iter().map(|mistake| {
        let place = source
            .get(mistake.start..mistake.end)
            .unwrap_or_else(|| panic!("{source}: {mistake:?}"));
        assert!(!mistake.message.contains('\n') && mistake.message.len() < 200, "{mistake:?}");
        (place.to_owned(), mistake.message, mistake.help.unwrap_or_default())
    });
    shown.collect()
}

/// Source, marked text, a part of the message, a part of the help.
type Case = (&'static str, &'static str, &'static str, &'static str);

fn check(wanted: Wanted, cases: &[Case]) {
    for (source, place, message, help) in cases {
        let found = mistakes(source, wanted);
        let (found_place, found_message, found_help) = &found[0];
        assert_eq!(found_place, place, "{source}: {found:?}");
        assert!(found_message.contains(message), "{source}: {found:?}");
        assert!(found_help.contains(help), "{source}: {found:?}");
        assert_eq!(found.len(), 1, "{source}: {found:?}");
    }
}

#[test]
fn syntax() {
    check(
        Wanted::Condition,
        &[
            ("", "", "is empty", "head.a == 1"),
            ("  ", "  ", "is empty", ""),
            ("head.a ==", "", "ends too early", "must follow"),
            ("head.a && ", " ", "ends too early", ""),
            ("head.", "", "ends too early", "a name must follow the point"),
            ("head.null == 1", "null", "`null` cannot stand here", "`[\"null\"]` instead"),
            ("(head.a", "", "`)` is missing", ""),
            ("head.a)", ")", "`)` cannot stand here", ""),
            ("head.a head.b", "head", "`head` cannot stand here", ""),
            ("head.a = 1", "=", "`=` is no operator", "`==`"),
            ("head.a === 1", "=", "`=` is no operator", "`==` has two"),
            ("head.ä == 1", "ä", "`ä` means nothing here", "head[\"a b\"]"),
            ("'ä' == 'ö' & true", "&", "`&` is no operator", "`&&`"),
            ("true | false", "|", "`|` is no operator", "`||`"),
            ("head.a and head.b", "and", "`and` cannot stand here", "`&&`"),
            ("head.a or head.b", "or", "", "`||`"),
            ("not head.a", "head", "", "not is `!`"),
            ("head.a <> 1", ">", "", "`!=`"),
            ("head.a == 'abc", "'abc", "not closed", "the quote that opens it"),
            ("head.a == \"\\q\"", "\"\\q\"", "an escape", "backslash"),
            (
                "head.a == 99999999999999999999",
                "99999999999999999999",
                "does not fit 64 bits",
                "1e20",
            ),
            ("head.a == 1e999", "1e999", "does not fit a double", ""),
            ("if == 1", "if", "reserved", "condition ? a : b"),
            ("head.?a == 1", ".", "optional syntax", "has("),
            ("head.`a-b` == 1", ".", "optional syntax", "head[\"a b\"]"),
            ("head.a == #", "#", "`#` means nothing", ""),
            ("head.a ==\n\n  == 1", "=", "cannot stand here", ""),
            ("head.a == 1u", "1u", "no unsigned", "leave the `u` out"),
            ("Thing{a: 1} == 1", "{", "no messages", "{\"name\": value}"),
        ],
    );
}

#[test]
fn names() {
    check(
        Wanted::Condition,
        &[
            ("haed.a == 1", "haed", "unknown variable `haed`", "did you mean `head`?"),
            (
                "status == 'a'",
                "status",
                "unknown variable `status`",
                "`head.status`, a string `\"status\"`",
            ),
            (
                "head.tags.all(tag, tga == 1)",
                "tga",
                "unknown variable `tga`",
                "did you mean `tag`?",
            ),
            ("head.tags.all(tag, true) && tag == 1", "tag", "unknown variable `tag`", ""),
            ("value.a == 1", "value", "unknown variable", "the stored record is `head`"),
            ("meta == null", "meta", "is no value", "meta.head.at"),
            ("meta.head == null", "meta.head", "is no value", "meta.head.at"),
            ("meta.haed.at == 1", "haed", "`meta` has no member `haed`", "`meta.head`"),
            (
                "meta.base.at == 1",
                "base",
                "`meta` has no member `base`",
                "there are head, incoming",
            ),
            ("meta.head.time == 1", "time", "`meta.head` has no member `time`", "at, by, rev"),
            ("meta.theirs.byy == 'a'", "byy", "", "`meta.theirs.by`"),
            (
                "type == 'update-updat'",
                "'update-updat'",
                "no type of conflict",
                "\"update-update\"",
            ),
            ("'x' != type", "'x'", "no type of conflict", "insert-insert"),
            ("type in ['update-update', 'delete']", "'delete'", "no type of conflict", ""),
            ("head.a.matches('b+')", "matches", "is not there", "contains()"),
            ("timestamp('2020') < now", "timestamp", "is not there", "milliseconds"),
            ("head.a.getHours() == 1", "getHours", "is not there", "calendar"),
            ("siez(head.a) == 1", "siez", "unknown function `siez`", "`size(head.a)`"),
            (
                "head.a.startWith('b')",
                "startWith",
                "unknown method `startWith`",
                "head.a.startsWith",
            ),
            ("math.abz(head.a) == 1", "abz", "unknown function of math", "math.abs(head.a)"),
            ("abs(head.a) == 1", "abs", "is not called like this", "math.abs(head.a)"),
            ("contains(head.a, 'b')", "contains", "is not called like this", "head.a.contains"),
            ("head.a.int() == 1", "int", "is not called like this", "int(head.a)"),
            ("all(head.a, true)", "all", "is not called like this", "head.list.all(x, …)"),
            ("head.a.has(head.b)", "has", "is not called like this", "has(head.a)"),
            ("now() > 1", "now", "unknown function `now`", ""),
        ],
    );
}

#[test]
fn arguments() {
    check(
        Wanted::Condition,
        &[
            ("size() == 1", "size", "takes one argument, here are 0", "size(head.a)"),
            ("size(head.a, 1) == 1", "size", "takes one argument, here are 2", ""),
            (
                "head.a.contains() ",
                "contains",
                "takes one argument, here are 0",
                "head.a.contains(\"…\")",
            ),
            ("head.a.trim(1) == ''", "trim", "takes no argument, here are 1", "head.a.trim()"),
            (
                "math.least() == 1",
                "least",
                "takes one argument or more, here are 0",
                "math.least(a, b)",
            ),
            ("has() || true", "has", "takes one argument", "has(head.a)"),
            ("has(head)", "head", "asks for a member", "head != null"),
            ("has(1 + 1)", "1 + 1", "asks for a member", ""),
            ("head.a.all(x)", "all", "takes two arguments, here are 1", "head.list.all(x, …)"),
            ("head.a.map(x, 1, 2, 3) == []", "map", "takes two or three arguments, here are 4", ""),
            ("head.a.all(1, true)", "1", "a name for the element", ""),
            ("head.a.all(head, true)", "head", "names something else", "`x`"),
            ("head.a.all(x, x.all(y, y))", "all", "inside another loop", "a rule of its own"),
            ("head.a.filter(x, x.exists(y, y)).size() > 1", "exists", "inside another loop", ""),
        ],
    );
}

#[test]
fn types() {
    check(
        Wanted::Condition,
        &[
            (
                "head.a + 1",
                "head.a + 1",
                "a condition is true or false, this is a number",
                "compare it",
            ),
            ("'a'", "'a'", "this is a string", ""),
            ("store", "store", "this is a string", ""),
            ("head.a.size() ", "head.a.size()", "this is a number", ""),
            ("[1, (2)]", "[1, (2)]", "this is a list", ""),
            ("{'a': head.b }", "{'a': head.b }", "this is a map", ""),
            ("head.a ? 1 : 'b'", "head.a ? 1 : 'b'", "this is a number or a string", ""),
            ("meta.head.at", "meta.head.at", "this is null or a number", ""),
            ("!store", "store", "`!` takes true or false, this is a string", ""),
            (
                "head.a && size(head.b)",
                "size(head.b)",
                "`&&` takes true or false, this is a number",
                "",
            ),
            ("now || true", "now", "`||` takes", ""),
            ("(1 ? true : false)", "1", "`?` takes true or false", ""),
            ("store + 1 == 'a'", "+", "`+` does not take a string and a number", "string()"),
            ("now - store > 1", "-", "`-` does not take a number and a string", "two numbers"),
            ("[1] + 1 == [2]", "+", "does not take a list and a number", "two lists"),
            ("-store == 1", "store", "`-` takes a number", ""),
            ("store > 1", ">", "a string and a number have no order", ""),
            ("head.a > null", ">", "have no order", ""),
            ("[1] < [2]", "<", "a list and a list have no order", ""),
            (
                "store == 1",
                "==",
                "a string and a number are never equal: this is never true",
                "of one type",
            ),
            ("now != 'a'", "!=", "this is always true", ""),
            ("now == null", "==", "a number and null are never equal", "never null"),
            ("meta.head.at == 'a'", "==", "null or a number and a string are never equal", ""),
            ("1 in store", "store", "this is a string", "contains()"),
            ("store in [1, 2]", "in", "a string is never in a list of a number", ""),
            ("head.a in []", "in", "the list is empty", ""),
            ("store.length > 1", "length", "a string has no members", "size(…)"),
            ("now.ms > 1", "ms", "a number has no members", ""),
            ("[1].a == 1", "a", "a list has no members", ""),
            ("store[0] == 'a'", "store", "a string has no elements", ""),
            ("[1]['a'] == 1", "'a'", "a list has no element of a string", "from 0"),
            (
                "size(1) == 1",
                "1",
                "size() takes a string or bytes or a list or a map, this is a number",
                "",
            ),
            (
                "now.contains('a')",
                "now",
                "contains() is a function of a string, this is a number",
                "",
            ),
            ("store.contains(1)", "1", "contains() takes a string, this is a number", ""),
            (
                "math.abs(store) == 1",
                "store",
                "abs() takes a number or a Date, this is a string",
                "",
            ),
            ("now.all(x, true)", "now", "goes through a list", ""),
            ("head.a.all(x, 1)", "1", "`all()` takes true or false", ""),
            ("[1].all(x, x == 'a')", "==", "never equal", ""),
            ("{'a': 1}.all(x, x == 1)", "==", "never equal", ""),
            ("{1: 2} == {}", "1", "a map's key is a string", "in quotes"),
            ("{'a': 2, 'a': 3} == {}", "'a'", "has this member already", ""),
            ("int == 1", "==", "a type and a number are never equal", ""),
            ("-5 && true", "-5", "takes true or false", ""),
        ],
    );
    check(
        Wanted::Value,
        &[
            ("type(head.a)", "type(head.a)", "a type cannot be stored", "a Date"),
            ("int", "int", "a type cannot be stored", ""),
        ],
    );
}

#[test]
fn all_mistakes_are_told_in_order() {
    let source = "haed.a == 1 && inc > 2 || store == 3";
    let found = mistakes(source, Wanted::Condition);
    assert_eq!(
        found.iter().map(|(place, ..)| place.as_str()).collect::<Vec<_>>(),
        ["haed", "inc", "=="]
    );
}
