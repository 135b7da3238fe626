//! Which system calls a leased program may use, tried from inside a container.

use containerlease_testkit::{TestApp, events::Event};
use serde_json::{Value, json};

use crate::{
    alpine_with,
    exec::{command, shell},
};

/// Tries system calls that no leased program needs, and calls that programs do need, and prints
/// each result.
const ASK: &str = r#"
import ctypes, errno, json, os, socket, subprocess, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    got = libc.syscall(number, *arguments)
    return "done" if got >= 0 else errno.errorcode[ctypes.get_errno()]
def made(family, kind):
    try:
        socket.socket(family, kind).close()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
def thread():
    said = []
    one = threading.Thread(target=lambda: said.append(1))
    one.start(); one.join()
    return "done" if said else "lost"
x86 = os.uname().machine == "x86_64"
print(json.dumps({
    "io_uring_setup": call(425, 8, None),
    "io_uring_register": call(427, 0, 0, None, 0),
    "AF_ALG": made(38, 5),
    "AF_VSOCK": made(40, 1),
    "AF_PACKET": made(17, 3),
    "AF_BLUETOOTH": made(31, 3),
    "unshare a user": call(272 if x86 else 97, 0x10000000),
    "bpf": call(321 if x86 else 280, 0, None, 0),
    "userfaultfd": call(323 if x86 else 282, 0),
    "keyctl": call(250 if x86 else 219, 0, -3, 0),
    "name_to_handle_at": call(303 if x86 else 264, -100, b"/", None, None, 0),
    "clone3": call(435, None, 0),
    "AF_UNIX": made(1, 1),
    "AF_INET": made(2, 1),
    "AF_INET6": made(10, 1),
    "AF_NETLINK": made(16, 3),
    "a thread": thread(),
    "a process": subprocess.run(["echo", "done"], capture_output=True, text=True).stdout.strip(),
}))
"#;

#[tokio::test]
async fn what_leads_to_the_kernel_is_refused_and_what_programs_need_is_not() {
    let test = TestApp::new().await;
    let body = json!({
        "imageType": "python", "durationMinutes": 5, "command": ["sleep", "600"],
    });
    let provision = Event::saved("provision-ubuntu").body(&body);
    let id = provision.provision(&test.app).await.id();
    let ask = json!({"command": ["python3", "-c", ASK]});
    let answer = command(&id, &ask).exec(&test.app).await;
    assert_eq!(answer.body["exitCode"], 0, "{answer:?}");
    let said: Value = serde_json::from_str(answer.body["stdout"].as_str().unwrap()).unwrap();
    for (what, came) in said.as_object().unwrap() {
        let expected = match what.as_str() {
            "clone3" => "ENOSYS",
            "AF_UNIX" | "AF_INET" | "AF_INET6" | "AF_NETLINK" | "a thread" | "a process" => "done",
            _ => "EPERM",
        };
        assert_eq!(came, expected, "{what}: {said}");
    }
    let answer = shell(&test, &id, "ulimit -n; ulimit -c", json!({})).await;
    assert_eq!(answer.body["stdout"], "16384\n0\n", "{answer:?}");
}

/// This image type's program needs neither root nor a writable image; see
/// `infra/images/catalogue.json`.
#[tokio::test]
async fn redis_is_nobody_special_and_writes_to_its_volume_alone() {
    let test = TestApp::new().await;
    let id = alpine_with(json!({"imageType": "redis"}))
        .provision(&test.app)
        .await
        .id();
    let script = "id -u; touch /file /etc/file /data/file /tmp/file; grep CapBnd /proc/1/status";
    let answer = shell(&test, &id, script, json!({})).await;
    let said = answer.body["stdout"].as_str().unwrap();
    let (user, capabilities) = said.split_once('\n').unwrap();
    assert_ne!(user, "0", "{answer:?}");
    assert_eq!(
        capabilities.trim(),
        "CapBnd:\t0000000000000000",
        "{answer:?}"
    );
    let refused = answer.body["stderr"].as_str().unwrap();
    assert_eq!(refused.lines().count(), 2, "{answer:?}");
    for path in ["/file", "/etc/file"] {
        let said = format!("{path}: Read-only file system");
        assert!(refused.contains(&said), "{answer:?}");
    }
}
