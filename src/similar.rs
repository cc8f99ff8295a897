//! Search for the known word most similar to an unknown one, for messages that ask "did you mean
//! …?".

/// The minimum length of an abbreviation of a known word.
const FEWEST_LETTERS: usize = 3;

/// Returns the known word most similar to `word`, if it is similar enough; otherwise the only known
/// word that starts with it. Case, `_` and `-` are ignored.
pub fn similar<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> Vec<char> {
        text.chars().filter(|it| !matches!(it, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
    };
    let wanted = plain(word);
    let limit = (wanted.len() / 3).max(1);
    let known: Vec<(Vec<char>, &str)> = known.into_iter().map(|it| (plain(it), it)).collect();
    let near = known.iter().map(|(letters, it)| (distance(&wanted, letters), *it));
    let nearest = near.filter(|(far, _)| *far <= limit).min_by_key(|(far, _)| *far).map(|(_, it)| it);
    nearest.or_else(|| {
        let mut longer = known.iter().filter(|(letters, _)| letters.starts_with(&wanted));
        let only = longer.next().filter(|_| wanted.len() >= FEWEST_LETTERS && longer.next().is_none());
        only.map(|(_, it)| *it)
    })
}

/// Returns the number of characters to insert, delete, replace, or swap with their neighbor.
fn distance(a: &[char], b: &[char]) -> usize {
    let first = |i: usize| (0..=b.len()).map(|j| if i == 0 { j } else { i * usize::from(j == 0) }).collect::<Vec<_>>();
    let mut rows: Vec<_> = (0..=a.len()).map(first).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
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
