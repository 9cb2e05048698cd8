//! The whole job, as the old script did it.

use crate::lab::Lab;

#[test]
fn first() {
    let lab = Lab::with(&["h1", "h2"]);
    let run = lab.recolte(&lab.job());
    println!("{run}\n{:#}", run.report());
    run.succeeded();
    println!("{}", run.text("journal.jsonl"));
    println!("{:?}", run.harvest());
    panic!();
}
