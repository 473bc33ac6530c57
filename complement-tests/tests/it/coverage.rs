//! The checklist of behaviours: each of what one server does alone is asserted somewhere.

use heliograph_complement::coverage::Coverage;

#[test]
fn every_local_behaviour_is_asserted_or_excused() {
    let coverage = Coverage::read();
    let mut missing = Vec::new();
    for chapter in coverage.chapters().iter().filter(|chapter| chapter.local) {
        missing.extend(chapter.missing.clone());
    }
    assert!(missing.is_empty(), "nothing asserts {missing:?}");
    let needless = coverage.needless_excuses();
    assert!(needless.is_empty(), "excused in vain: {needless:?}");
}
