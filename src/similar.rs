//! Search for the known word most similar to an unknown one, for messages that ask "did you mean
//! …?".

/// The minimum length of an abbreviation of a known word.
const FEWEST_LETTERS: usize = 3;

/// Returns the known word most similar to `word`, if it is similar enough; otherwise the only known
/// word that starts with it. Case, `_` and `-` are ignored.
pub fn similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars()
            .filter(|it| !matches!(it, '-' | '_' | ' '))
            .flat_map(char::to_lowercase)
            .collect()
    };
    let wanted = plain(word);
    let limit = (wanted.chars().count() / 3).max(1);
    let known: Vec<(String, &str)> = known.into_iter().map(|it| (plain(it), it)).collect();
    let near = known.iter().map(|(letters, it)| (strsim::osa_distance(&wanted, letters), *it));
    let nearest =
        near.filter(|(far, _)| *far <= limit).min_by_key(|(far, _)| *far).map(|(_, it)| it);
    nearest.or_else(|| {
        let mut longer = known.iter().filter(|(letters, _)| letters.starts_with(&wanted));
        let only = longer
            .next()
            .filter(|_| wanted.chars().count() >= FEWEST_LETTERS && longer.next().is_none());
        only.map(|(_, it)| *it)
    })
}

/// Joins words for a sentence: `"a", "b" and "c"`.
pub fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(|it| format!("{it:?}")).collect();
    match words.as_slice() {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words() {
        let known = ["last-write-wins", "first-write-wins", "head-wins", "max", "min"];
        let near = |word| similar(word, known);
        assert_eq!(near("lastwritewins"), Some("last-write-wins"));
        assert_eq!(near("LAST_WRITE_WINS"), Some("last-write-wins"));
        assert_eq!(near("haed-wins"), Some("head-wins"));
        assert_eq!(near("mxa"), Some("max"));
        assert_eq!(near("lastwrite"), Some("last-write-wins"));
        assert_eq!(near("Head"), Some("head-wins"));
        assert_eq!(similar("head", ["head-wins", "head-first"]), None, "either may be meant");
        assert_eq!(similar("la", known), None, "too short to be meant");
        assert_eq!(near("xyz"), None);
        assert_eq!(near(""), None);
    }

    #[test]
    fn lists() {
        assert_eq!(listed([]), "none");
        assert_eq!(listed(["a"]), "\"a\"");
        assert_eq!(listed(["a", "b", "c"]), "\"a\", \"b\" and \"c\"");
    }
}
