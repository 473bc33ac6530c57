//! Which behaviours of the checklist a test asserts, by chapter.

#![expect(clippy::print_stdout, reason = "the table is what is asked for")]

use heliograph_complement::coverage::Coverage;

fn main() {
    let coverage = Coverage::read();
    let (mut asserted, mut all) = (0, 0);
    for chapter in coverage.chapters() {
        let (done, of) = (chapter.asserted.len(), chapter.behaviours);
        println!("{:<72} {done:>3} of {of:>3}", chapter.title);
        for (id, why) in &chapter.excused {
            println!("    {id}  {why}");
        }
        if !chapter.missing.is_empty() {
            println!("    not asserted: {}", chapter.missing.join(" "));
        }
        asserted += done;
        all += of;
    }
    println!("{:<72} {asserted:>3} of {all:>3}", "all");
}
