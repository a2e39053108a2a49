//! What a `User-Agent` header names: a browser and an operating system, or another program.

use super::language::Language;

/// Parts of a `User-Agent` and the browsers that send them. The order counts: Edge and Opera also
/// name Chrome, and all of them name Safari.
const BROWSERS: [(&str, &str); 11] = [
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
];

/// Parts of a `User-Agent` and the operating systems they stand for. The order counts: Android also
/// names Linux, and iOS also names Mac OS X.
const SYSTEMS: [(&str, &str); 8] = [
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

/// The browser and the operating system, as far as the header names a known one.
fn parse(user_agent: &str) -> (Option<&'static str>, Option<&'static str>) {
    let find = |table: &[(&'static str, &'static str)]| {
        let found = table.iter().find(|(part, _)| user_agent.contains(part));
        found.map(|(_, name)| *name)
    };
    (find(&BROWSERS), find(&SYSTEMS))
}

/// The browser and operating system, such as “Chrome on Linux”, or the program and its version, such as
/// “curl 8.5”; `None` if the header names none that is known.
pub fn label(language: Language, user_agent: &str) -> Option<String> {
    if let Some(product) = product(user_agent) {
        return Some(product);
    }
    match parse(user_agent) {
        (Some(browser), Some(system)) => {
            let names = [("browser", browser.into()), ("system", system.into())];
            Some(language.text("browser-on", &names))
        }
        (Some(name), None) | (None, Some(name)) => Some(name.to_owned()),
        (None, None) => None,
    }
}

/// The program that sends the header, with the first two numbers of its version. Browsers call
/// themselves Mozilla.
fn product(user_agent: &str) -> Option<String> {
    let (name, version) = user_agent.split(' ').next()?.split_once('/')?;
    let numbers: Vec<&str> = version.split('.').take(2).collect();
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is_named = !name.is_empty() && name != "Mozilla";
    (is_named && numbers.iter().all(is_number)).then(|| format!("{name} {}", numbers.join(".")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_with_their_version() {
        for (user_agent, expected) in [
            ("curl/8.5.0", Some("curl 8.5")),
            ("Go-http-client/2.0", Some("Go-http-client 2.0")),
            (
                "python-requests/2.32.5 extra/1",
                Some("python-requests 2.32"),
            ),
            ("okhttp/4", Some("okhttp 4")),
            ("Mozilla/5.0 (X11; Linux x86_64)", None),
            ("made up", None),
            ("made/up", None),
            ("/1.0", None),
            ("", None),
        ] {
            assert_eq!(product(user_agent).as_deref(), expected, "{user_agent}");
        }
    }

    #[test]
    fn browsers_and_operating_systems_are_recognized() {
        for (user_agent, browser, system) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
                Some("Chrome"),
                Some("Linux"),
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/130.0.0.0 Safari/537.36",
                Some("Chrome"),
                Some("Linux"),
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
                Some("Edge"),
                Some("Windows"),
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
                Some("Safari"),
                Some("macOS"),
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/130.0 Mobile/15E148 Safari/604.1",
                Some("Chrome"),
                Some("iOS"),
            ),
            (
                "Mozilla/5.0 (Android 14; Mobile; rv:131.0) Gecko/131.0 Firefox/131.0",
                Some("Firefox"),
                Some("Android"),
            ),
            (
                "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
                Some("Firefox"),
                Some("Linux"),
            ),
            ("curl/8.5.0", Some("curl"), None),
            ("something else", None, None),
            ("", None, None),
        ] {
            assert_eq!(parse(user_agent), (browser, system), "{user_agent}");
        }
    }
}
