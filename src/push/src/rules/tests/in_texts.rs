//! The rules that look for names in texts.

use super::*;

#[test]
fn names_in_texts_count_where_the_event_does_not_say_whom_it_mentions() {
    let set = RuleSet::read(&push_rules_with(
        PredefinedRules::WithNamesInTexts,
        None,
        USER,
    ));
    assert!(set.is_personal(), "each user has another name");
    let says = |body: &str| json!({ "msgtype": "m.text", "body": body });
    for (body, expected) in [
        ("hello", NOTIFY),
        ("hello Max!", HIGHLIGHT),
        ("hello ME", HIGHLIGHT),
        ("@me:x.org: hello", HIGHLIGHT),
        ("hello @room", HIGHLIGHT),
        ("some maximum", NOTIFY),
    ] {
        let mut content = says(body);
        assert_eq!(told(&set, &message(&content), &ROOM), expected, "{body}");
        content["m.mentions"] = json!({});
        assert_eq!(told(&set, &message(&content), &ROOM), NOTIFY, "{body}");
    }
    let weak = Room {
        powerful: false,
        ..ROOM
    };
    assert_eq!(told(&set, &message(&says("@room")), &weak), NOTIFY);
    assert_eq!(set.of_plain("!room:x.org"), None, "each text is read");
}
