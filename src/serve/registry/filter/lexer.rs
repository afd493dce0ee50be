//! A filter as tokens. Every text has some: what is no token of ours is one of its own, to be told of.

/// A piece of a filter, as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token<'a> {
    pub kind: Kind<'a>,
    pub text: &'a str,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind<'a> {
    /// Words and quoted keys, joined by dots: ``tags.`a key` ``. A value in double quotes is one too.
    Identifier,
    /// What would be an identifier without characters such as `-`, for which it needs quotes.
    Operation,
    /// In single quotes.
    Text,
    Number,
    /// Characters of `<>=!~`.
    Operator,
    /// Tokens in brackets.
    List(Vec<Token<'a>>),
    Comma,
    Semicolon,
    Other,
}

impl Token<'_> {
    /// Is it this word, whatever its case?
    pub(super) fn is(&self, word: &str) -> bool {
        self.kind == Kind::Identifier && self.text.eq_ignore_ascii_case(word)
    }
}

/// All tokens of a text, without the space between them. It takes time in proportion to the text.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    // Each with where it begins.
    let mut tokens: Vec<(usize, Token<'_>)> = Vec::new();
    // Where the last bracket is that may yet be closed. Lists are flat: one within another is none.
    let mut opened: Option<usize> = None;
    let mut at = 0;
    while let Some(first) = text[at..].trim_start().chars().next() {
        at = text.len() - text[at..].trim_start().len();
        let (kind, length) = next(&text[at..], first);
        let end = at + length;
        match (first, opened) {
            (')', Some(open)) => {
                let begin = tokens[open].0;
                let inner = tokens.drain(open..).skip(1).map(|(_, token)| token).collect();
                tokens.push((begin, Token { kind: Kind::List(inner), text: &text[begin..end] }));
                opened = None;
            }
            _ => {
                if first == '(' {
                    opened = Some(tokens.len());
                }
                tokens.push((at, Token { kind, text: &text[at..end] }));
            }
        }
        at = end;
    }
    tokens.into_iter().map(|(_, token)| token).collect()
}

/// The kind of the token with which the text begins, and its length in bytes.
fn next(text: &str, first: char) -> (Kind<'_>, usize) {
    let other = (Kind::Other, first.len_utf8());
    match first {
        '\'' => quoted(text).map_or(other, |length| (Kind::Text, length)),
        ',' => (Kind::Comma, 1),
        ';' => (Kind::Semicolon, 1),
        '<' | '>' | '=' | '!' | '~' => {
            let end = text.find(|c| !"<>=!~".contains(c)).unwrap_or(text.len());
            (Kind::Operator, end)
        }
        _ => {
            if let Some(length) = number(text) {
                return (Kind::Number, length);
            }
            match identifier(text) {
                0 => other,
                length => after_identifier(text, length),
            }
        }
    }
}

/// An identifier, unless it goes on with a character that it can't have without quotes.
fn after_identifier(text: &str, length: usize) -> (Kind<'_>, usize) {
    let mut end = length;
    while text[end..].starts_with(['-', '/', '@', '%', '+', '*', ':']) {
        let further = identifier(&text[end + 1..]);
        if further == 0 {
            break;
        }
        end += 1 + further;
    }
    if end == length { (Kind::Identifier, length) } else { (Kind::Operation, end) }
}

/// The length of words and quoted parts that are joined by dots; 0 where the text begins with none.
fn identifier(text: &str) -> usize {
    let mut end = 0;
    loop {
        let rest = &text[end..];
        let part = match rest.chars().next() {
            Some('`' | '"') => quoted(rest).unwrap_or(0),
            // A key may be in single quotes; a text at the start of a token is a value.
            Some('\'') if end > 0 => quoted(rest).unwrap_or(0),
            _ => rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len()),
        };
        if part == 0 {
            return end;
        }
        end += part;
        if !text[end..].starts_with('.') {
            return end;
        }
        end += 1;
    }
}

/// The length of what is in quotes, with them. A doubled quote doesn't end it.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

/// The length of a number: `7`, `-1.5e-3`, `.5`, `5.`; not that of `1x` or `0x10`.
fn number(text: &str) -> Option<usize> {
    let digits = |from: usize| {
        text[from..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |length| from + length)
    };
    let start = usize::from(text.starts_with('-'));
    let mut end = digits(start);
    let mut any = end > start;
    if text[end..].starts_with('.') {
        let after = digits(end + 1);
        any |= after > end + 1;
        end = after;
    }
    if !any {
        return None;
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['-', '+']));
        let after = digits(end + 1 + sign);
        if after > end + 1 + sign {
            end = after;
        }
    }
    let goes_on = text[end..].chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_');
    (!goes_on).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        tokens(text)
            .into_iter()
            .map(|Token { kind, text }| match kind {
                Kind::List(inner) => format!("List {}", inner.len()),
                kind => format!("{kind:?} {text}"),
            })
            .collect()
    }

    #[test]
    fn tokens_are_found_with_and_without_space() {
        assert_eq!(
            shown("tags.`a key`='x''y'AND metrics.m>-1.5e-3"),
            [
                "Identifier tags.`a key`",
                "Operator =",
                "Text 'x''y'",
                "Identifier AND",
                "Identifier metrics.m",
                "Operator >",
                "Number -1.5e-3"
            ]
        );
        assert_eq!(
            shown("run_id IN ('a', \"b\")"),
            ["Identifier run_id", "Identifier IN", "List 3"]
        );
        assert_eq!(
            shown("tags.my-tag ; (("),
            ["Operation tags.my-tag", "Semicolon ;", "Other (", "Other ("]
        );
        assert_eq!(
            shown(".5 5. 1x 0x10 tags.1x"),
            ["Number .5", "Number 5.", "Identifier 1x", "Identifier 0x10", "Identifier tags.1x"]
        );
    }

    #[test]
    fn every_text_has_an_end() {
        for text in [
            "'",
            "\"",
            "`",
            "tags.",
            "tags.`",
            "💥",
            "((((((((((",
            "))",
            "-",
            "é.\u{301}",
            ".",
            "..",
            "1e",
            "1e+",
        ] {
            let read: usize = tokens(text).iter().map(|token| token.text.len()).sum();
            assert_eq!(read, text.len(), "{text}");
        }
    }
}
