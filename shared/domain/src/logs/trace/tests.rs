use super::*;

/// The levels of consecutive lines, one letter each.
fn levels(text: &str) -> String {
    let mut context = None;
    let letters = text.lines().map(|line| {
        let (level, next) = level_of(context, line);
        // A context survives the way through a cursor.
        let read = next.map(|next| next.to_string().parse());
        assert_eq!(read, next.map(Ok));
        context = next;
        LEVELS.iter().find(|(known, _)| *known == level).unwrap().1
    });
    String::from_utf8(letters.collect()).unwrap()
}

#[test]
fn java() {
    let trace = "\
2026-11-28 10:00:00,123 [main] ERROR c.e.App - it failed
java.lang.IllegalStateException: no room
\tat com.example.App.run(App.java:12)
\tat java.base/java.lang.Thread.run(Thread.java:840)
\tSuppressed: java.io.IOException: closed
\t\tat com.example.App.close(App.java:20)
Caused by: java.io.IOException: disk full
\tat com.example.Disk.write(Disk.java:5)
\t... 12 more
2026-11-28 10:00:00,124 [main] INFO  c.e.App - goes on
at the end";
    assert_eq!(levels(trace), "eeeeeeeeeii");
    assert_eq!(levels(&trace.replace("ERROR", "WARN")), "wwwwwwwwwii");
    let uncaught =
        "Exception in thread \"main\" java.lang.NullPointerException\n\tat A.b(A.java:1)";
    assert_eq!(levels(uncaught), "ee");
}

#[test]
fn python() {
    let logged = "\
ERROR:root:it failed
Traceback (most recent call last):
  File \"/app/a.py\", line 3, in <module>
    run()
    ~~~^^
app.Full: no room

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File \"/app/a.py\", line 5, in <module>
KeyboardInterrupt
INFO:root:goes on
ready";
    assert_eq!(levels(logged), "eeeeeeeeeeeeii");
    assert_eq!(
        levels(&logged.replace("ERROR", "WARNING")),
        "wwwwwwwwwwwwii"
    );
    // It is an error if no line logs it, and also if a line logs it as info.
    assert_eq!(
        levels(&logged[logged.find('T').unwrap()..]),
        "eeeeeeeeeeeii"
    );
    assert_eq!(levels(&logged.replace("ERROR", "INFO")), "ieeeeeeeeeeeii");
}

#[test]
fn go() {
    let panic = "\
2026/11/28 10:00:00 INFO started
panic: runtime error: index out of range [3] with length 3

goroutine 1 [running]:
main.(*Server).run(0xc000010000, {0x1, 0x2}, ...)
\t/app/main.go:12 +0x1d
main.main()
\t/app/main.go:5 +0x2a
created by main.main in goroutine 1
\t/app/main.go:3 +0x2a
exit status 2
ready";
    assert_eq!(levels(panic), "ieeeeeeeeeei");
    let zap = "2026-11-28T10:00:00Z\tWARN\ta.go:1\tx\nmain.main\n\t/app/main.go:5\nruntime.main\n\t/go/proc.go:2\ngoes on";
    assert_eq!(levels(zap), "wwwwwi");
}

#[test]
fn dotnet() {
    let logged = "\
fail: App.Worker[0]
      It failed.
      System.InvalidOperationException: no room
       ---> System.IO.IOException: disk full
         at App.Disk.Write() in /app/Disk.cs:line 5
         --- End of inner exception stack trace ---
         at App.Worker.Run()
info: App.Worker[0]
      It goes on.";
    assert_eq!(levels(logged), "eeeeeeeii");
    let unhandled =
        "Unhandled exception. System.Exception: x\n   at App.Main() in /app/a.cs:line 3";
    assert_eq!(levels(unhandled), "ee");
}

#[test]
fn rust() {
    let panic = "\
2026-11-28T10:00:00Z  INFO app: started
thread 'main' (7) panicked at src/main.rs:2:5:
called `Option::unwrap()` on a `None` value
stack backtrace:
   0: rust_begin_unwind
             at /rustc/1/library/std/src/panicking.rs:665:5
   1: app::main
             at ./src/main.rs:2:5
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.
ready";
    assert_eq!(levels(panic), "ieeeeeeeei");
    assert_eq!(
        levels("Error: it failed\n\nCaused by:\n    0: no room\n    1: disk full"),
        "eieee"
    );
}

#[test]
fn node_ruby_and_php() {
    let node = "TypeError: x is not a function\n    at run (/app/a.js:3:5)\n    at node:internal/main:1:1\n\nNode.js v20.1.0";
    assert_eq!(levels(node), "eeeei");
    let ruby =
        "a.rb:3:in 'Integer#/': divided by 0 (ZeroDivisionError)\n\tfrom a.rb:3:in '<main>'\nready";
    assert_eq!(levels(ruby), "eei");
    let rails = "E, [2026-11-28T10:00:00.1 #1] ERROR -- : ArgumentError (x):\napp/models/a.rb:3:in 'name'\nready";
    assert_eq!(levels(rails), "eei");
    let php = "PHP Fatal error:  Uncaught Exception: x in /a.php:3\nStack trace:\n#0 /a.php(5): f()\n#1 {main}\n  thrown in /a.php on line 3\nready";
    assert_eq!(levels(php), "eeeeei");
}

#[test]
fn what_only_looks_like_a_trace_is_none() {
    for line in [
        "\tat com.example.App.run(App.java:12)",
        "Caused by: nobody",
        "  File \"a\", line 1",
        "#1 of many",
        "created by us",
        "exit status 0",
        "main.main()",
        "    indented",
        "Error",
        "an Error: x",
    ] {
        assert_eq!(levels(line), "i", "{line}");
    }
    assert_eq!(levels("#1 ERROR: x"), "e");
    // A line that is not indented does not belong to the one before it.
    assert_eq!(levels("ERROR: x\nready\n  ready too"), "eii");
    // A line that states its own level has it, even if it is indented.
    assert_eq!(levels("ERROR: x\n  WARN app: y\n  z"), "eww");
    assert_eq!(levels("DEBUG: x\n  y\nz"), "ddi");
}

#[test]
fn what_is_no_context_is_refused() {
    for wrong in ["", "x", "E", "ex", "ett", "t ", "tm1"] {
        assert_eq!(wrong.parse::<Context>(), Err(NotAContext), "{wrong}");
    }
}
