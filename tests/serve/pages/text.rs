//! What a person sees of a page.

use regex::Regex;

/// The visible text of a page: a line for each line of the page that has any.
pub(crate) fn visible(html: &str) -> String {
    let body = html.split_once("<main>").expect("it is a page").1;
    let body = Regex::new(r##"(<a href="#L\d+" data-n="(\d+)")"##)
        .unwrap()
        .replace_all(body, "$2 $1");
    let unseen = Regex::new(r#"<span class="unseen">[^<]*</span>"#).unwrap();
    let text = unseen.replace_all(&body, "");
    let text = Regex::new("<[^>]*>").unwrap().replace_all(&text, " ");
    let mut text = text.into_owned();
    for (entity, c) in [
        ("&#60;", "<"),
        ("&lt;", "<"),
        ("&#62;", ">"),
        ("&gt;", ">"),
        ("&#34;", "\""),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, c);
    }
    let lines = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines
        .filter(|line| !line.is_empty())
        .map(|line| line + "\n")
        .collect()
}

/// Where the links of a page lead to, each once.
pub(crate) fn links(html: &str) -> Vec<String> {
    let link = Regex::new(r#"<a [^>]*href="(/[^"]*)""#).unwrap();
    let mut links: Vec<String> = Vec::new();
    for found in link.captures_iter(html) {
        let to = found[1].to_owned();
        if !links.contains(&to) {
            links.push(to);
        }
    }
    links
}
