//! Pages in a real browser: nothing in them makes it complain, and nothing is wider than a small screen.
//!
//! Spoken to over its debugging pipe (Chrome `DevTools` protocol): JSON that ends with a zero byte.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{support::servers::chromium, world::World};

/// What a browser says when something in a page is not as it should be.
const COMPLAINTS: [&str; 3] = [
    "Log.entryAdded",
    "Runtime.exceptionThrown",
    "Audits.issueAdded",
];

/// Opens every page on a wide and on a small screen. Does nothing, and says so, where there is no browser.
pub(super) async fn looks_at(world: &World, paths: Vec<String>) {
    let Some(program) = chromium() else { return };
    let (folder, url) = (world.store.folder().join("browser"), world.url.clone());
    tokio::task::spawn_blocking(move || {
        let mut browser = Browser::start(&program, &folder);
        for path in paths {
            for width in [1280, 360] {
                browser.open(&format!("{url}{path}"), width);
            }
        }
    })
    .await
    .unwrap();
}

pub(crate) struct Browser {
    child: Child,
    to: File,
    from: BufReader<File>,
    session: Option<String>,
    calls: u64,
    events: Vec<Value>,
}

impl Browser {
    pub(crate) fn start(program: &Path, folder: &Path) -> Self {
        std::fs::create_dir(folder).unwrap();
        let (to, from) = (folder.join("to"), folder.join("from"));
        let made = Command::new("mkfifo").args([&to, &from]).status().unwrap();
        assert!(made.success());
        let child = Command::new("sh")
            // What waits for its answer is not to wait for ever.
            .args(["-c", "exec timeout -k 5 300 \"$@\" 3<to 4>from", "sh"])
            .arg(program)
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--remote-debugging-pipe",
                "--no-first-run",
                "--user-data-dir=profile",
                "about:blank",
            ])
            .current_dir(folder)
            .env("HOME", folder)
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        let to = OpenOptions::new().write(true).open(to).unwrap();
        let from = BufReader::new(File::open(from).unwrap());
        let mut browser = Self {
            child,
            to,
            from,
            session: None,
            calls: 0,
            events: Vec::new(),
        };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Log", "Runtime", "Audits"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Opens a page and looks whether it is as it should be.
    fn open(&mut self, url: &str, width: u32) {
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        self.go(url);
        // Whatever the script begins has been begun two frames later.
        let expression = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => \
            done([document.documentElement.scrollWidth, document.styleSheets.length, document.title]))))";
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &asked);
        let found = &answer["result"]["value"];
        assert!(
            found[0].as_u64() <= Some(width.into()),
            "{url} is {} wide on a screen of {width}",
            found[0]
        );
        assert_eq!(found[1], 1, "{url}: the stylesheet");
        assert!(
            found[2].as_str().unwrap().ends_with("nixci"),
            "{url}: {found}"
        );
        let complaints: Vec<&Value> = self
            .events
            .iter()
            .filter(|event| {
                COMPLAINTS
                    .iter()
                    .any(|complaint| event["method"] == *complaint)
            })
            .collect();
        assert!(complaints.is_empty(), "{url}: {complaints:#?}");
    }

    /// Opens a page.
    pub(crate) fn go(&mut self, url: &str) {
        self.events.clear();
        self.call("Page.navigate", &json!({ "url": url }));
        while !self
            .events
            .iter()
            .any(|event| event["method"] == "Page.loadEventFired")
        {
            let event = self.receive();
            self.events.push(event);
        }
    }

    /// What the page shows now.
    pub(crate) fn text(&mut self) -> String {
        let asked = json!({ "expression": "document.body.innerText", "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &asked);
        answer["result"]["value"].as_str().unwrap().to_owned()
    }

    /// Waits until the page shows a text, for at most so many seconds. Returns all that it shows then.
    pub(crate) fn until(&mut self, text: &str, seconds: u64) -> String {
        let began = Instant::now();
        loop {
            let shown = self.text();
            if shown.contains(text) {
                return shown;
            }
            assert!(began.elapsed().as_secs() < seconds, "{text}: {shown}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let mut call = json!({ "id": self.calls, "method": method, "params": params });
        if let Some(session) = &self.session {
            call["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{call}\0").as_bytes()).unwrap();
        loop {
            let mut answer = self.receive();
            if answer["id"] == self.calls {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    fn receive(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "the browser is gone");
        serde_json::from_slice(&message).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self
            .to
            .write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let _ = self.child.wait();
    }
}
