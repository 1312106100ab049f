//! The questions of a datasheet, in our words, by the names that answers files use. A name is never changed.

use radio_index::Summary;

/// The question of every section that needs no answer.
pub(crate) const NOTES: &str = "notes";

/// One of the seven sections.
#[derive(Debug)]
pub(crate) struct Section {
    /// Name of its table in an answers file, of its block and of its template.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    pub(crate) questions: &'static [Question],
}

/// One question.
#[derive(Debug)]
pub(crate) struct Question {
    /// Name of its key in an answers file.
    pub(crate) id: &'static str,
    pub(crate) text: &'static str,
    /// Whether the figures of a summary answer it; `None` where only people can.
    pub(crate) counted: Option<fn(&Summary) -> bool>,
}

/// A question for the people who made the data set.
const fn ask(id: &'static str, text: &'static str) -> Question {
    Question {
        id,
        text,
        counted: None,
    }
}

/// Room for what no other question asks; left empty, it is not listed as open.
const fn note(text: &'static str) -> Question {
    Question {
        id: NOTES,
        text,
        counted: None,
    }
}

/// A question that figures answer where there are some.
const fn count(id: &'static str, text: &'static str, counted: fn(&Summary) -> bool) -> Question {
    Question {
        id,
        text,
        counted: Some(counted),
    }
}

pub(crate) const SECTIONS: [Section; 7] = [
    Section {
        id: "motivation",
        title: "Motivation",
        questions: &[
            ask("purpose", "Why does the data set exist, and which gap does it fill?"),
            ask("creators", "Which people, for which institutions, made it?"),
            ask("funding", "Who paid for it, under which grants?"),
            note("What else should be known about its motivation?"),
        ],
    },
    Section {
        id: "composition",
        title: "Composition",
        questions: &[
            ask("instances", "What does one row stand for?"),
            count("size", "How much is there?", |_| true),
            ask("sample", "Is it everything, or a sample, and how was the sample drawn?"),
            count("contents", "What does a row hold?", |summary| {
                !summary.columns.is_empty()
            }),
            count("labels", "Which labels come with a row?", |summary| {
                !summary.catalogue.classes.is_empty()
            }),
            count("missing", "What is missing, and why?", |summary| {
                summary.catalogue.rows > 0
            }),
            count("relations", "How are rows related to each other?", |summary| {
                !summary.group_runs.is_empty()
            }),
            ask(
                "splits",
                "Which splits for training, validation and test are recommended?",
            ),
            count("errors", "Which errors, noise and repetitions are known?", |summary| {
                summary.catalogue.rows > 0
            }),
            ask(
                "external",
                "What outside of the data set does it depend on, and will that last?",
            ),
            ask("confidential", "Is anything in it confidential?"),
            ask("people", "Does anything in it concern people?"),
            note("What else should be known about its composition?"),
        ],
    },
    Section {
        id: "collection",
        title: "Collection process",
        questions: &[
            ask(
                "acquisition",
                "How was each kind of data observed or derived, and checked?",
            ),
            ask("instruments", "Which telescopes, instruments and programs took it?"),
            ask("selection", "How were targets selected, and with which probabilities?"),
            ask("collectors", "Who took the data, and how were they rewarded?"),
            ask("dates", "From when to when was it taken?"),
            ask(
                "review",
                "Was there a review of its ethics or its use of sites and land?",
            ),
            note("What else should be known about its collection?"),
        ],
    },
    Section {
        id: "preprocessing",
        title: "Preprocessing, cleaning and labelling",
        questions: &[
            ask("steps", "What was done to the raw data, and to which of them?"),
            ask("raw", "Where are the raw data kept?"),
            ask("software", "Where is the software that did it?"),
            note("What else should be known about its preprocessing?"),
        ],
    },
    Section {
        id: "uses",
        title: "Uses",
        questions: &[
            ask("past", "What has it been used for?"),
            ask("papers", "Where are the papers and programs that use it listed?"),
            ask("future", "What else could it serve?"),
            ask("risks", "What about its making could mislead a later use?"),
            ask("unsuitable", "What should it not be used for?"),
            note("What else should be known about its uses?"),
        ],
    },
    Section {
        id: "distribution",
        title: "Distribution",
        questions: &[
            ask(
                "recipients",
                "Who outside of the institutions that made it receives it?",
            ),
            ask("channels", "How is it handed out, and under which DOI?"),
            ask("release", "From when on?"),
            ask(
                "licence",
                "Under which licence and terms of use, and how should it be cited?",
            ),
            ask("third_parties", "Which rights of others rest on it?"),
            ask("regulations", "Which export rules or other regulations apply?"),
            note("What else should be known about its distribution?"),
        ],
    },
    Section {
        id: "maintenance",
        title: "Maintenance",
        questions: &[
            ask("host", "Who keeps and serves it?"),
            ask("contact", "How can they be reached?"),
            ask("errata", "Where are known errors listed?"),
            ask(
                "updates",
                "Will it be updated, how often, by whom, and how are users told?",
            ),
            ask("retention", "Must any of it be deleted after a time?"),
            ask("versions", "Are older versions kept?"),
            ask("contributions", "How can others extend or correct it?"),
            note("What else should be known about its maintenance?"),
        ],
    },
];
