//! A minimal browser: it keeps cookies and reads the forms of a page.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::sync::Mutex;

use super::{Node, Reply, World};

/// The password of all users.
pub const PASSWORD: &str = "correct horse battery";

/// Creates a user with [`PASSWORD`]. Returns the id.
pub fn person(world: &World, email: &str, role: &str, account: Option<&str>) -> String {
    let account: Vec<&str> = account
        .iter()
        .flat_map(|account| ["--account", account])
        .collect();
    let made = world.cli(
        &[
            &["user", "create", "--email", email, "--role", role],
            &account[..],
        ]
        .concat(),
    );
    set_password(world, email, PASSWORD);
    made["id"].as_str().unwrap().to_owned()
}

/// Gives a user a password. The command of this process's first call hashes it; later calls copy
/// that hash, since estimating the strength of a password and hashing it take a tenth of a second
/// of CPU time.
pub fn set_password(world: &World, email: &str, password: &str) {
    static HASHES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());
    let mut hashes = HASHES.lock().unwrap();
    if let Some(hash) = hashes.get(password) {
        let user = format!("(SELECT id FROM users WHERE email = '{email}')");
        assert_eq!(
            world.count(&format!("SELECT count(*) FROM users WHERE id = {user}")),
            1
        );
        world.execute(&format!(
            "UPDATE users SET password_hash = '{hash}' WHERE id = {user}; \
             DELETE FROM invitations WHERE user_id = {user}"
        ));
        return;
    }
    let mut child = world
        .command(&["user", "set-password", email])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(password.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    let hash = world.text(&format!(
        "SELECT password_hash FROM users WHERE email = '{email}'"
    ));
    hashes.insert(password.to_owned(), hash);
}

/// The path that an invitation link is posted to.
pub const INVITATION: &str = "/portal/invitation";

pub struct Browser<'a> {
    node: &'a Node,
    cookies: RefCell<BTreeMap<String, String>>,
    /// A header that is sent with each request.
    headers: Vec<(&'static str, String)>,
}

impl<'a> Browser<'a> {
    pub fn new(node: &'a Node) -> Self {
        Browser {
            node,
            cookies: RefCell::default(),
            headers: Vec::new(),
        }
    }

    /// A browser that sends this header with each request.
    pub fn saying(node: &'a Node, name: &'static str, value: &str) -> Self {
        Browser {
            headers: vec![(name, value.to_owned())],
            ..Browser::new(node)
        }
    }

    /// A browser in which this user has signed in.
    pub fn of(node: &'a Node, email: &str) -> Self {
        let browser = Browser::new(node);
        let reply = browser.sign_in(email, PASSWORD);
        assert_eq!(reply.status, 303, "{email}: {}", reply.body);
        browser
    }

    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let cookies: Vec<String> = self
            .cookies
            .borrow()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let cookies = cookies.join("; ");
        let mut all: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        all.extend(headers);
        let reply = self.node.send(method, path, &all, body);
        for line in reply.all("set-cookie") {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies
                    .borrow_mut()
                    .insert(name.to_owned(), value.to_owned());
            }
        }
        reply
    }

    pub fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    /// The status of a page.
    pub fn status(&self, path: &str) -> u16 {
        self.get(path).status
    }

    /// Submits a form with exactly these fields.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Reply {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let headers = [
            &[("content-type", "application/x-www-form-urlencoded")],
            headers,
        ]
        .concat();
        self.send("POST", path, &headers, body.as_bytes())
    }

    /// Submits a form of a page with its hidden fields and these fields.
    pub fn submit(&self, page: &Reply, action: &str, fields: &[(&str, &str)]) -> Reply {
        let hidden = hidden(page, action);
        let mut all: Vec<(&str, &str)> = hidden
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        all.retain(|(name, _)| !fields.iter().any(|(own, _)| own == name));
        all.extend(fields);
        self.post(action, &[("sec-fetch-site", "same-origin")], &all)
    }

    /// Loads the page at this path and submits its form.
    pub fn fill(&self, path: &str, action: &str, fields: &[(&str, &str)]) -> Reply {
        self.submit(&self.get(path), action, fields)
    }

    /// Submits a form with this session's CSRF token.
    pub fn act(&self, action: &str, fields: &[(&str, &str)]) -> Reply {
        let token = self.form_token();
        self.post(
            action,
            &[],
            &[&[("csrf_token", token.as_str())], fields].concat(),
        )
    }

    /// The CSRF token of this session.
    pub fn form_token(&self) -> String {
        let page = self.get("/portal/profile");
        let page = if page.status == 200 {
            page
        } else {
            self.get("/portal/sign-in")
        };
        value(&page.body, "csrf_token")
    }

    pub fn sign_in(&self, email: &str, password: &str) -> Reply {
        self.fill(
            "/portal/sign-in",
            "/portal/sign-in",
            &[("email", email), ("password", password)],
        )
    }

    /// The page of an invitation link, as after pasting the link.
    pub fn open(&self, link: &str) -> Reply {
        self.fill(INVITATION, INVITATION, &[("link", link)])
    }

    /// The value of a cookie, or an empty string.
    pub fn cookie(&self, name: &str) -> String {
        self.cookies.borrow().get(name).cloned().unwrap_or_default()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies
            .borrow_mut()
            .insert(name.to_owned(), value.to_owned());
    }
}

impl Reply {
    /// The values of a header that may occur several times.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect()
    }

    /// The target of a redirect, or an empty string.
    pub fn leads_to(&self) -> &str {
        if self.status == 303 {
            self.header("location").unwrap()
        } else {
            ""
        }
    }

    /// A value that a page shows for copying, by the id of its element.
    pub fn shown(&self, id: &str) -> String {
        let (_, rest) = self
            .body
            .split_once(&format!("<code id=\"{id}\">"))
            .unwrap_or_else(|| panic!("no {id}: {}", self.body));
        unescaped(rest.split("</code>").next().unwrap())
    }
}

/// The hidden fields of the form that is posted to this action.
pub fn hidden(page: &Reply, action: &str) -> Vec<(String, String)> {
    let begin = page
        .body
        .find(&format!("method=\"post\" action=\"{action}\""));
    let form = &page.body
        [begin.unwrap_or_else(|| panic!("{}: no form for {action}: {}", page.status, page.body))..];
    let form = form.split("</form>").next().unwrap();
    let fields = form.split("<input type=\"hidden\" name=\"").skip(1);
    fields
        .map(|field| field.split_once('"').unwrap().0.to_owned())
        .map(|name| (name.clone(), value(form, &name)))
        .collect()
}

fn value(html: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let (_, rest) = html
        .split_once(&begin)
        .unwrap_or_else(|| panic!("no field {name}: {html}"));
    unescaped(rest.split('"').next().unwrap())
}

fn unescaped(html: &str) -> String {
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}
