//! Text from outside in Markdown: as code, where it can be no link, image, mention or end of a fold.

/// Lines as they are, in a fence that none of them can end; of too long a text the end, which says why something failed.
/// Colours and what cannot be seen are left out.
pub fn fenced(text: &str, chars_max: usize) -> String {
    let text = plain(text);
    let fence = "`".repeat(3.max(longest_run(&text) + 1));
    let frame = 2 * fence.len() + "text\n\n".len();
    let room = chars_max.saturating_sub(frame);
    let skipped = text.chars().count().saturating_sub(room);
    let mut shown = text.chars().skip(skipped).collect::<String>();
    if skipped > 0 {
        // Whole lines, with a sign that something is missing.
        let end = shown.find('\n').map_or(0, |end| end + 1);
        shown.replace_range(..end, "…\n");
        if shown.chars().count() > room {
            shown = shown.chars().skip(2).collect();
        }
    }
    format!("{fence}text\n{}\n{fence}", shown.trim_end_matches('\n'))
}

/// A text within a line or a cell of a table, as code.
pub fn code_span(text: &str) -> String {
    let line = plain(text).replace(['\n', '\t'], " ");
    let line = line.trim();
    if line.is_empty() {
        return String::new();
    }
    let fence = "`".repeat(longest_run(line) + 1);
    // GitHub reads a table's cells before the code in them.
    format!("{fence} {} {fence}", line.replace('|', "\\|"))
}

/// Cuts Markdown to so many characters, at the end of a line where that costs little, and ends a fence that is then open.
pub(super) fn shortened(markdown: &str, chars_max: usize) -> String {
    if markdown.chars().count() <= chars_max {
        return markdown.to_owned();
    }
    let sign = "\n…";
    // Room for the end of a fence, which may be as long as anything in the text.
    let mut room = chars_max.saturating_sub(sign.chars().count());
    loop {
        let kept: String = markdown.chars().take(room).collect();
        let kept = match kept.rfind('\n') {
            Some(end) if end * 10 >= kept.len() * 9 => &kept[..end],
            _ => kept.as_str(),
        };
        let fence = open_fence(kept).map_or(String::new(), |fence| format!("\n{fence}"));
        let whole = format!("{kept}{fence}{sign}");
        let excess = whole.chars().count().saturating_sub(chars_max);
        if excess == 0 || room == 0 {
            return whole.chars().take(chars_max).collect();
        }
        room = room.saturating_sub(excess);
    }
}

/// The fence that is open at the end of a text.
fn open_fence(markdown: &str) -> Option<&str> {
    let mut open: Option<&str> = None;
    for line in markdown.lines() {
        let rest = line.trim_start_matches('`');
        let ticks = &line[..line.len() - rest.len()];
        open = match open {
            None if ticks.len() >= 3 => Some(ticks),
            Some(fence) if ticks.len() >= fence.len() && rest.trim().is_empty() => None,
            other => other,
        };
    }
    open
}

/// The text without colours and without characters that cannot be seen or that turn the reading order.
pub(super) fn plain(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    console::strip_ansi_codes(text)
        .chars()
        .filter(|c| matches!(c, '\n' | '\t') || !is_hidden(*c))
        .collect()
}

fn longest_run(text: &str) -> usize {
    let runs = text.split(|c| c != '`').map(str::len);
    runs.max().unwrap_or_default()
}
