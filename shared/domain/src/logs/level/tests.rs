use super::*;

fn check(lines: &[(&str, Level)]) {
    for (line, level) in lines {
        let said = Level::said_by(line).unwrap_or(Level::Info);
        assert_eq!(said, *level, "{line}");
    }
}

#[test]
fn json() {
    check(&[
        (r#"{"level":"warn","msg":"x"}"#, Level::Warn),
        (r#"{"severity":"ERROR","message":"x"}"#, Level::Error),
        (r#"{"msg":"no level"}"#, Level::Info),
        (r#"{"level":"warn""#, Level::Info),
        (r#"{"level":["warn"],"severity":"error"}"#, Level::Error),
        // pino and bunyan.
        (
            r#"{"level":50,"time":1795512600123,"pid":7,"hostname":"h","msg":"x"}"#,
            Level::Error,
        ),
        (
            r#"{"level":10,"time":1795512600123,"msg":"x"}"#,
            Level::Trace,
        ),
        (
            r#"{"name":"app","hostname":"h","pid":7,"level":40,"msg":"x","v":0}"#,
            Level::Warn,
        ),
        (r#"{"name":"app","level":60,"msg":"x","v":0}"#, Level::Error),
        // zap, zerolog, slog.
        (
            r#"{"level":"dpanic","ts":1795512600.1,"caller":"a.go:1","msg":"x"}"#,
            Level::Error,
        ),
        (
            r#"{"level":"debug","ts":1795512600.1,"msg":"x"}"#,
            Level::Debug,
        ),
        (
            r#"{"time":"2026-11-28T10:00:00Z","level":"WARN","msg":"x"}"#,
            Level::Warn,
        ),
        (
            r#"{"time":"2026-11-28T10:00:00Z","level":"ERROR+2","msg":"x"}"#,
            Level::Error,
        ),
        (
            r#"{"time":"2026-11-28T10:00:00Z","level":"DEBUG-4","msg":"x"}"#,
            Level::Debug,
        ),
        // structlog and Python's loggers.
        (
            r#"{"event":"x","level":"critical","timestamp":"2026-11-28T10:00:00Z"}"#,
            Level::Error,
        ),
        (
            r#"{"asctime":"2026-11-28","levelname":"WARNING","message":"x"}"#,
            Level::Warn,
        ),
        // Elastic's common schema, Serilog, .NET, hclog, monolog, GELF, the journal, MongoDB.
        (
            r#"{"@timestamp":"2026-11-28T10:00:00Z","log.level":"WARN","message":"x"}"#,
            Level::Warn,
        ),
        (
            r#"{"@timestamp":"2026-11-28T10:00:00Z","log":{"level":"error","logger":"a"}}"#,
            Level::Error,
        ),
        (
            r#"{"@t":"2026-11-28T10:00:00Z","@mt":"x","@l":"Fatal"}"#,
            Level::Error,
        ),
        (
            r#"{"EventId":0,"LogLevel":"Critical","Category":"A","Message":"x"}"#,
            Level::Error,
        ),
        (
            r#"{"@level":"trace","@message":"x","@module":"agent"}"#,
            Level::Trace,
        ),
        (
            r#"{"message":"x","level":300,"level_name":"WARNING","channel":"app"}"#,
            Level::Warn,
        ),
        (
            r#"{"version":"1.1","host":"h","short_message":"x","level":3}"#,
            Level::Error,
        ),
        (r#"{"PRIORITY":"4","MESSAGE":"x"}"#, Level::Warn),
        (
            r#"{"t":{"$date":"2026-11-28T10:00:00Z"},"s":"W","c":"NETWORK","msg":"x"}"#,
            Level::Warn,
        ),
        (r#"{"s":"a text","msg":"error"}"#, Level::Info),
    ]);
}

#[test]
fn logfmt() {
    check(&[
        ("ts=1 level=debug msg=\"x\"", Level::Debug),
        ("time=x level=\"error\" msg=y", Level::Error),
        (
            "time=2026-11-28T10:00:00Z level=WARN msg=\"x\" a=1",
            Level::Warn,
        ),
        (
            "ts=1 caller=a.go:1 component=a query=b rule=c group=d target=e level=error",
            Level::Error,
        ),
        ("2026-11-28T10:00:00Z level=warning msg=x", Level::Warn),
        ("msg=\"set level=error at will\" a=1", Level::Info),
        ("msg=\"a \\\" level=error\" level=debug", Level::Debug),
        ("we set it back to level=error again", Level::Error),
        (
            "it was then that somebody asked for level=error here",
            Level::Info,
        ),
        ("level=high msg=x", Level::Info),
    ]);
}

#[test]
fn loggers_of_java() {
    check(&[
        // log4j and logback.
        (
            "2026-11-28 10:00:00,123 [main] ERROR com.example.App - x",
            Level::Error,
        ),
        (
            "10:00:00.123 [http-nio-8080-exec-1] WARN  c.e.App - x",
            Level::Warn,
        ),
        (
            "10:00:00.123 [pool 1 of many threads] DEBUG c.e.App - x",
            Level::Debug,
        ),
        (
            "2026-11-24 09:30:00.123  INFO 1 --- [main] c.e.App : Started",
            Level::Info,
        ),
        (
            "2026-11-28T10:00:00.123+01:00 ERROR 1 --- [main] c.e.App : x",
            Level::Error,
        ),
        (
            "[2026-11-28 10:00:00,123] WARN [Controller id=1] x (kafka.server)",
            Level::Warn,
        ),
        (
            "2026-11-28 10:00:00,123 [myid:] - WARN  [main:QuorumPeerMain@1] - x",
            Level::Warn,
        ),
        (
            "[2026-11-28T10:00:00,123][WARN ][o.e.b.BootstrapChecks  ] [node] x",
            Level::Warn,
        ),
        (
            "[2026-11-28T10:00:00,123][ERROR][o.e.b.Elasticsearch] [node] x",
            Level::Error,
        ),
        ("[10:00:00] [Server thread/WARN]: x", Level::Warn),
        ("SEVERE: Uncaught", Level::Error),
        ("FINER: x", Level::Trace),
    ]);
}

#[test]
fn loggers_of_python_and_ruby() {
    check(&[
        ("WARNING:root:deprecated", Level::Warn),
        ("CRITICAL:app:down", Level::Error),
        ("2026-11-24 09:30:00,123 - app - DEBUG - x", Level::Debug),
        ("2026-11-28 10:00:00,123 - app - error - x", Level::Error),
        ("2026-11-28 10:00:00,123 app WARNING x", Level::Warn),
        (
            "2026-11-28 10:00:00.123 | ERROR    | app:run:12 - x",
            Level::Error,
        ),
        (
            "2026-11-28 10:00:00 [warning  ] x                 key=value",
            Level::Warn,
        ),
        ("[2026-11-28 10:00:00 +0000] [7] [ERROR] x", Level::Error),
        (
            "INFO:     127.0.0.1:5 - \"GET /error HTTP/1.1\" 500 Internal Server Error",
            Level::Info,
        ),
        ("ERROR:    Exception in ASGI application", Level::Error),
        // Celery.
        ("[2026-11-28 10:00:00,1: ERROR/MainProcess] t", Level::Error),
        (
            "[2026-11-28 10:00:00,123: WARNING/ForkPoolWorker-1] x",
            Level::Warn,
        ),
        (
            "[2026-11-28 10:00:00,123: INFO/MainProcess] an ERROR was seen",
            Level::Info,
        ),
        // supervisord.
        (
            "2026-11-28 10:00:00,123 CRIT Supervisor is running as root",
            Level::Error,
        ),
        // Ruby.
        (
            "E, [2026-11-28T10:00:00.123456 #1] ERROR -- : x",
            Level::Error,
        ),
        (
            "W, [2026-11-28T10:00:00.123456 #1]  WARN -- app: x",
            Level::Warn,
        ),
        (
            "D, [2026-11-28T10:00:00.123456 #1] DEBUG -- : an ERROR",
            Level::Debug,
        ),
        (
            "2026-11-28T10:00:00.123Z pid=1 tid=abc WARN: x",
            Level::Warn,
        ),
        // PHP.
        ("[2026-11-28 10:00:00] production.ERROR: x", Level::Error),
        (
            "[28-Nov-2026 10:00:00 UTC] PHP Warning:  x in /app/a.php on line 3",
            Level::Warn,
        ),
        ("PHP Fatal error:  Uncaught x", Level::Error),
        ("[28-Nov-2026 10:00:00] WARNING: [pool www] x", Level::Warn),
    ]);
}

#[test]
fn loggers_of_go_rust_node_and_dotnet() {
    check(&[
        ("2026/11/24 09:30:00 INFO started", Level::Info),
        ("2026/11/28 10:00:00 ERROR x err=y", Level::Error),
        ("ERRO[0000] x", Level::Error),
        ("WARN[0012] x", Level::Warn),
        ("10:00AM ERR x error=y", Level::Error),
        ("2026-11-28T10:00:00.123Z\twarn\tapp/a.go:1\tx", Level::Warn),
        ("1.7955126001e+09\terror\tapp/a.go:1\tx", Level::Error),
        ("2026-11-28T10:00:00.123Z [WARN]  agent: x", Level::Warn),
        // klog and glog.
        ("E1128 10:00:00.1 1 main.go:1] k8s", Level::Error),
        (
            "W1128 10:00:00.123456       1 reflector.go:324] x",
            Level::Warn,
        ),
        (
            "I1128 10:00:00.123456       1 a.go:1] an ERROR",
            Level::Info,
        ),
        ("F20261128 10:00:00.123456 140 a.cc:1] x", Level::Error),
        ("E1128 is a flight", Level::Info),
        // env_logger and tracing.
        ("2026-11-24T09:30:00.1Z  WARN app::db: slow", Level::Warn),
        ("[2026-11-24T09:30:00Z ERROR app] x", Level::Error),
        ("[WARN  app::db] x", Level::Warn),
        (" DEBUG app: x", Level::Debug),
        (
            "\u{1b}[2m2026-11-28T10:00:00Z\u{1b}[0m \u{1b}[33m WARN\u{1b}[0m \u{1b}[2mapp\u{1b}[0m: x",
            Level::Warn,
        ),
        ("error: could not compile `app`", Level::Error),
        // Node.
        ("error: x", Level::Error),
        ("2026-11-28T10:00:00.123Z warn: x", Level::Warn),
        ("\u{1b}[32minfo\u{1b}[39m: an ERROR: in it", Level::Info),
        ("npm ERR! code ENOENT", Level::Error),
        ("npm warn deprecated x", Level::Warn),
        ("(node:7) DeprecationWarning: x", Level::Warn),
        ("Error: Cannot find module", Level::Error),
        // .NET's console, one line or two, with systemd, and Serilog.
        ("fail: App.Worker[0]", Level::Error),
        ("warn: Microsoft.Hosting[0]", Level::Warn),
        ("crit: App[0]", Level::Error),
        ("info: App[0]", Level::Info),
        ("dbug: App[0]", Level::Debug),
        ("trce: App[0]", Level::Trace),
        ("10:00:00 fail: App.Worker[0] x", Level::Error),
        (
            "\u{1b}[41m\u{1b}[30mfail\u{1b}[39m\u{1b}[22m\u{1b}[49m: App[0]",
            Level::Error,
        ),
        ("<4>App.Worker[0] x", Level::Warn),
        ("[10:00:00 ERR] x", Level::Error),
        ("[10:00:00 VRB] x", Level::Trace),
    ]);
}

#[test]
fn servers() {
    check(&[
        // nginx and Apache.
        (
            "2026/11/24 09:30:00 [error] 7#7: *1 open() failed",
            Level::Error,
        ),
        (
            "2026/11/24 09:30:00 [notice] 1#1: start worker process 7",
            Level::Info,
        ),
        ("2026/11/28 10:00:00 [emerg] 1#1: x", Level::Error),
        ("2026/11/28 10:00:00 [crit] 7#7: *1 x", Level::Error),
        (
            "[Sat Nov 28 10:00:00.123456 2026] [core:error] [pid 1:tid 2] x",
            Level::Error,
        ),
        (
            "[Sat Nov 28 10:00:00.123456 2026] [ssl:warn] [pid 1] x",
            Level::Warn,
        ),
        // redis
        (
            "1:M 24 Nov 2026 09:30:00.123 # WARNING overcommit",
            Level::Warn,
        ),
        (
            "1:M 24 Nov 2026 09:30:00.123 * Ready to accept connections",
            Level::Info,
        ),
        ("7:C 24 Nov 2026 09:30:00.123 . debug", Level::Debug),
        // postgres, MySQL and MariaDB.
        (
            "2026-11-24 09:30:00.123 UTC [1] LOG:  database system is ready",
            Level::Info,
        ),
        (
            "2026-11-24 09:30:00.123 UTC [33] FATAL:  no such role",
            Level::Error,
        ),
        (
            "2026-11-24 09:30:00.123 UTC [33] app@db ERROR:  syntax error",
            Level::Error,
        ),
        ("2026-11-24 09:30:00.123 UTC [33] DEBUG2:  x", Level::Debug),
        ("2026-11-24 09:30:00.123 UTC [33] WARNING:  x", Level::Warn),
        (
            "2026-11-28T10:00:00.123456Z 0 [Warning] [MY-010068] [Server] x",
            Level::Warn,
        ),
        ("2026-11-28 10:00:00 0 [ERROR] mariadbd: x", Level::Error),
        ("2026-11-28 10:00:00 0 [Note] mariadbd: ready", Level::Info),
        // RabbitMQ, HAProxy, Traefik.
        (
            "2026-11-28 10:00:00.123456+00:00 [error] <0.1.0> x",
            Level::Error,
        ),
        ("[ALERT]    (1) : x", Level::Error),
        ("2026-11-28T10:00:00Z ERR x error=\"y\"", Level::Error),
        // syslog
        ("<3>disk full", Level::Error),
        ("<6>usb 1-1: new device", Level::Info),
        ("<34>Oct 11 22:14:15 host su: x", Level::Error),
        ("<165>1 2026-11-28T10:00:00Z host app 1 - - x", Level::Info),
        ("Nov 28 10:00:00 host app[1]: ERROR x", Level::Error),
        ("<192>x", Level::Info),
        ("<3x>", Level::Info),
    ]);
}

#[test]
fn a_word_in_a_message_is_no_level() {
    for line in [
        "",
        " ",
        "no error at all",
        "the warning light is on",
        "the ERROR word means nothing here",
        "2026-11-28 10:00:00 we got an ERROR from upstream",
        "request failed: error: timeout",
        "retried (error) twice",
        "ready to fine tune",
        "download finished with 0 errors, please LOOK AT ERROR handling",
        "127.0.0.1 - - [24/Nov/2026:09:30:00 +0000] \"GET /error HTTP/1.1\" 200",
        "127.0.0.1 - - [24/Nov/2026:09:30:00 +0000] \"GET /?level=error HTTP/1.1\" 200",
        "[28/Nov/2026 10:00:00] \"GET /ERROR HTTP/1.1\" 404 179",
        "GET /ERROR 404",
        "a.error(x)",
        "errors: 0",
        "\u{1b}[",
        "\u{1b}",
    ] {
        assert_eq!(Level::said_by(line), None, "{line}");
    }
}
