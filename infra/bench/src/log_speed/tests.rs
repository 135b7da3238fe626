use super::*;

#[test]
fn a_container_that_tells_nanoseconds_says_when_a_line_was_written() {
    let line = |message: &str| Line {
        stamped: 0.0,
        received: 0.0,
        message: message.to_owned(),
    };
    let at = written_at(&line("7 1795512600123456789")).expect("it is told");
    assert!((at - 1_795_512_600_123.456_8).abs() < 0.01);
    for untold in [
        "7 1795512600",
        "7 1795512600%N",
        "7",
        "7 1795512600abcdefghi",
    ] {
        assert_eq!(written_at(&line(untold)), None, "{untold}");
    }
}
