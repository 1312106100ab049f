//! What the people who made a data set say about it.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::questions::{SECTIONS, Section};
use crate::{Error, Result};

/// The survey's own answers to the questions that no figure can answer.
///
/// They are kept in a TOML file: the title of the data set, and one table per section of the datasheet with one text
/// per question. [`Answers::starter`] is such a file with every question in it. An empty text is no answer.
///
/// Answers are Markdown: lists, links and code are welcome. They stand in the datasheet as quotes, so that nothing in
/// one answer can change what follows it, and HTML tags in them are shown, not obeyed. For that
///
/// - a `<` in front of a letter, `/`, `!` or `?` becomes `&lt;`. It does so in code too, where Markdown shows these four
///   letters as they stand: write `Vec<f32>` without backticks, and it is shown as meant;
/// - definitions of links and footnotes, `[name]: address` at the start of a line, which would hold for the whole
///   document, are shown as text: write `[name](address)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    title: Option<String>,
    /// By section and question.
    texts: BTreeMap<(&'static str, &'static str), String>,
}

impl Answers {
    /// Reads an answers file.
    ///
    /// # Errors
    ///
    /// [`Error::Answers`] where the text is not TOML, a key is unknown, or an answer is not a text.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_datasheet::Answers;
    ///
    /// let answers = Answers::from_toml(
    ///     r#"
    ///     title = "A patch of galaxies"
    ///     [motivation]
    ///     purpose = "To find the strange ones."
    ///     "#,
    /// )?;
    /// assert_eq!(answers.get("motivation", "purpose"), Some("To find the strange ones."));
    ///
    /// let typo = Answers::from_toml("[motivation]\nporpoise = 'To swim.'").unwrap_err();
    /// assert!(typo.to_string().contains("line 2: unknown key `motivation.porpoise`"));
    /// # Ok::<(), radio_datasheet::Error>(())
    /// ```
    pub fn from_toml(text: &str) -> Result<Self> {
        let table = DeTable::parse(text).map_err(|error| Error::Answers {
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            reason: error.message().to_owned(),
        })?;
        let mut answers = Self::default();
        for (key, value) in table.get_ref() {
            let name: &str = key.get_ref();
            if name == "title" {
                answers.title = answer(text, "title", value)?;
            } else if let Some(section) = SECTIONS.iter().find(|section| section.id == name) {
                answers.read_section(text, section, value)?;
            } else {
                let known: Vec<_> = SECTIONS.iter().map(|section| format!("[{}]", section.id)).collect();
                return Err(Error::Answers {
                    line: line_of(text, key.span().start),
                    reason: format!(
                        "unknown key `{}`; known are title, {}",
                        name.escape_debug(),
                        known.join(", ")
                    ),
                });
            }
        }
        Ok(answers)
    }

    /// Answers by section and question; those to questions that there are not are left out.
    pub(crate) fn from_texts(title: Option<String>, texts: &BTreeMap<String, BTreeMap<String, String>>) -> Self {
        let mut answers = Self {
            title,
            texts: BTreeMap::new(),
        };
        for section in &SECTIONS {
            for question in section.questions {
                if let Some(text) = texts.get(section.id).and_then(|texts| texts.get(question.id)) {
                    answers.texts.insert((section.id, question.id), text.clone());
                }
            }
        }
        answers
    }

    /// An answers file with every question as a comment above its empty answer, ready to be filled in.
    ///
    /// # Examples
    ///
    /// ```
    /// use radio_datasheet::Answers;
    ///
    /// assert!(Answers::starter().contains("[maintenance]"));
    /// assert_eq!(Answers::from_toml(Answers::starter())?, Answers::default());
    /// # Ok::<(), radio_datasheet::Error>(())
    /// ```
    #[must_use]
    pub fn starter() -> &'static str {
        static STARTER: LazyLock<String> = LazyLock::new(starter_text);
        &STARTER
    }

    /// The title of the data set, where one is given.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The answer to a question, by the names that the answers file uses; `None` where it has none.
    #[must_use]
    pub fn get(&self, section: &str, question: &str) -> Option<&str> {
        let section = SECTIONS.iter().find(|known| known.id == section)?;
        let question = section.questions.iter().find(|known| known.id == question)?;
        self.texts.get(&(section.id, question.id)).map(String::as_str)
    }

    fn read_section(&mut self, text: &str, section: &'static Section, value: &Spanned<DeValue<'_>>) -> Result<()> {
        let DeValue::Table(table) = value.get_ref() else {
            return Err(Error::Answers {
                line: line_of(text, value.span().start),
                reason: format!(
                    "`{}` is a section; write its answers below [{}]",
                    section.id, section.id
                ),
            });
        };
        for (key, value) in table {
            let name: &str = key.get_ref();
            let Some(question) = section.questions.iter().find(|question| question.id == name) else {
                let known: Vec<_> = section.questions.iter().map(|question| question.id).collect();
                return Err(Error::Answers {
                    line: line_of(text, key.span().start),
                    reason: format!(
                        "unknown key `{}.{}`; [{}] knows {}",
                        section.id,
                        name.escape_debug(),
                        section.id,
                        known.join(", ")
                    ),
                });
            };
            if let Some(answer) = answer(text, &format!("{}.{}", section.id, question.id), value)? {
                self.texts.insert((section.id, question.id), answer);
            }
        }
        Ok(())
    }
}

/// A text without the space around it; `None` where nothing is left.
fn answer(text: &str, key: &str, value: &Spanned<DeValue<'_>>) -> Result<Option<String>> {
    let Some(answer) = value.get_ref().as_str() else {
        return Err(Error::Answers {
            line: line_of(text, value.span().start),
            reason: format!(
                "`{key}` is of type {}; write it as a text in quotes",
                value.get_ref().type_str()
            ),
        });
    };
    Ok(Some(answer.trim())
        .filter(|answer| !answer.is_empty())
        .map(str::to_owned))
}

/// Line, from 1, of a byte of a text.
fn line_of(text: &str, byte: usize) -> usize {
    1 + text.bytes().take(byte).filter(|&byte| byte == b'\n').count()
}

fn starter_text() -> String {
    let mut text = String::from(
        "# The answers of a datasheet, after Gebru et al. 2021, Datasheets for Datasets (CACM 64, 12).\n\
         # Fill in what you know; what stays empty is listed as not answered yet. Answers are Markdown, and a long one\n\
         # may span lines between triple quotes. Questions marked (counted) are answered by figures where there are any:\n\
         # add words where figures do not say it all.\n\
         \n\
         # What is the data set called?\n\
         title = \"\"\n",
    );
    for section in &SECTIONS {
        text += &format!("\n[{}]\n", section.id);
        for question in section.questions {
            let mark = if question.counted.is_some() { " (counted)" } else { "" };
            text += &format!("# {}{mark}\n{} = \"\"\n", question.text, question.id);
        }
    }
    text
}
