//! The templates and the filters they know.

use tera::{ErrorKind, Kwargs, State, Tera, TeraResult, Value};

use crate::context::{Context, SectionContext};
use crate::{Error, Result, format, markdown};

/// The blocks of a datasheet in their order, and the template of each.
pub(crate) const BLOCKS: [(&str, &str); 9] = [
    ("header", include_str!("../templates/header.md")),
    ("motivation", include_str!("../templates/motivation.md")),
    ("composition", include_str!("../templates/composition.md")),
    ("collection", include_str!("../templates/collection.md")),
    ("preprocessing", include_str!("../templates/preprocessing.md")),
    ("uses", include_str!("../templates/uses.md")),
    ("distribution", include_str!("../templates/distribution.md")),
    ("maintenance", include_str!("../templates/maintenance.md")),
    ("provenance", include_str!("../templates/provenance.md")),
];

/// Included by every section: its answers, and its questions without one.
const ANSWERS: (&str, &str) = ("answers", include_str!("../templates/answers.md"));

/// Templates, checked and ready.
#[derive(Debug)]
pub(crate) struct Templates {
    tera: Tera,
}

impl Templates {
    /// The default templates with some of them replaced; of two for one name the later wins.
    pub(crate) fn new(replaced: &[(String, String)]) -> Result<Self> {
        let mut tera = Tera::new();
        // Every value is escaped in every template, whatever its name.
        tera.autoescape_on([""]);
        tera.set_escape_fn(markdown::escape);
        tera.register_filter("count", |value: u64, _: Kwargs, _: &State| format::count(value));
        tera.register_filter("bytes", |value: u64, _: Kwargs, _: &State| format::bytes(value));
        tera.register_filter(
            "number",
            |value: f64, options: Kwargs, _: &State| -> TeraResult<String> {
                // More digits than a double has are asked for by mistake.
                Ok(format::significant(
                    value,
                    options.get::<usize>("digits")?.unwrap_or(6).min(17),
                ))
            },
        );
        tera.register_filter(
            "decimal",
            |value: f64, options: Kwargs, _: &State| -> TeraResult<String> {
                Ok(format::decimal(value, options.must_get::<usize>("digits")?.min(17)))
            },
        );
        tera.register_filter("share", |value: f64, options: Kwargs, _: &State| -> TeraResult<Value> {
            // It may say "< 0.1 %", which no Markdown reads as a tag.
            Ok(Value::safe_string(&format::share(value, options.must_get("of")?)))
        });
        tera.register_filter("code", |text: &str, _: Kwargs, _: &State| {
            Value::safe_string(&markdown::code(text))
        });
        tera.register_filter("quote", |text: &str, _: Kwargs, _: &State| {
            Value::safe_string(&markdown::quote(text))
        });
        tera.register_filter("verbatim", |text: &str, _: Kwargs, _: &State| {
            Value::safe_string(&markdown::verbatim(text))
        });

        tera.add_raw_templates(BLOCKS.into_iter().chain([ANSWERS]))
            .map_err(|error| template_error(&error, ""))?;
        for (name, text) in replaced {
            if !tera.contains_template(name) {
                let known: Vec<_> = BLOCKS.iter().chain([&ANSWERS]).map(|(name, _)| *name).collect();
                return Err(Error::UnknownTemplate {
                    name: name.clone(),
                    known: known.join(", "),
                });
            }
            tera.add_raw_template(name, text)
                .map_err(|error| template_error(&error, name))?;
        }
        Ok(Self { tera })
    }

    /// The text of a block; runs of empty lines are one.
    pub(crate) fn render(
        &self,
        name: &str,
        context: &Context<'_>,
        section: Option<&SectionContext<'_>>,
    ) -> Result<String> {
        let failed = |error: &tera::Error| template_error(error, name);
        let mut variables = tera::Context::from_serialize(context).map_err(|error| failed(&error))?;
        if let Some(section) = section {
            variables.insert("section", section);
        }
        let text = self.tera.render(name, &variables).map_err(|error| failed(&error))?;
        let mut lines: Vec<&str> = Vec::new();
        for (number, line) in text.lines().enumerate() {
            if line.starts_with(crate::blocks::MARKER) {
                let reason = format!("line {} of what it writes looks like the border of a block", number + 1);
                return Err(Error::Template {
                    name: name.to_owned(),
                    line: 0,
                    reason,
                });
            }
            let line = line.trim_end();
            if !line.is_empty() || lines.last().is_some_and(|last| !last.is_empty()) {
                lines.push(line);
            }
        }
        Ok(lines.join("\n").trim_end().to_owned())
    }
}

/// An error of the engine in our words. `name` is the template it most likely is about.
fn template_error(error: &tera::Error, name: &str) -> Error {
    if let ErrorKind::SyntaxError(report) | ErrorKind::RenderingError(report) = error.kind() {
        return Error::Template {
            name: report.filename().to_owned(),
            line: report.span().start_line,
            reason: in_a_sentence(report.message()),
        };
    }
    // The engine reports unknown filters and includes as one text: "error: REASON\n --> NAME:LINE:COLUMN\n ...".
    let text = error.to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let place = lines
        .next()
        .and_then(|line| line.trim_start().strip_prefix("--> "))
        .unwrap_or_default();
    let mut words = place.rsplitn(3, ':').skip(1);
    let line = words.next().and_then(|line| line.parse().ok()).unwrap_or(0);
    let name = words.next().unwrap_or(name).to_owned();
    Error::Template {
        name,
        line,
        reason: in_a_sentence(first.strip_prefix("error: ").unwrap_or(first)),
    }
}

/// Lower case at the start, no full stop at the end.
fn in_a_sentence(message: &str) -> String {
    let message = message.trim().trim_end_matches('.');
    let mut letters = message.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}
