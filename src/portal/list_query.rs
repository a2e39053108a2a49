//! The query of a list that is searched for a text and shown page by page.

use maud::{Markup, html};

use super::components;
use super::session_extractor::PageContext;

/// The number of entries on a page.
const PAGE_SIZE: i64 = 50;

/// What a page of a list is to show.
pub struct ListQuery {
    path: &'static str,
    /// The text to search for.
    pub text: Option<String>,
    /// The last entry of the page before.
    pub after: Option<String>,
    /// Further parameters of the list, kept from page to page.
    filters: Vec<(&'static str, String)>,
}

/// A page of a list.
pub struct ListPage<'f, T> {
    /// The entries to show.
    pub shown: &'f [T],
    /// The links to the first and the next page.
    pub links: Markup,
    /// Whether the page shows all entries of the list.
    pub is_whole: bool,
}

impl ListQuery {
    /// How many entries to read: one more than a page shows, which tells whether there is a next page.
    pub const LIMIT: i64 = PAGE_SIZE + 1;

    /// Reads the query of a request for the list at this path.
    pub fn parse(context: &PageContext, path: &'static str) -> Self {
        ListQuery {
            path,
            text: context.query("text"),
            after: context.query("after"),
            filters: Vec::new(),
        }
    }

    /// Keeps a further parameter from page to page.
    #[must_use]
    pub fn with_filter(mut self, name: &'static str, value: Option<&str>) -> Self {
        let value = value.map(|value| (name, value.to_owned()));
        self.filters.extend(value);
        self
    }

    /// The page of the entries that were read. `key` is what the list is ordered by.
    pub fn page<'f, T>(
        &self,
        context: &PageContext,
        found: &'f [T],
        key: impl Fn(&T) -> &str,
    ) -> ListPage<'f, T> {
        let size = usize::try_from(PAGE_SIZE).unwrap_or(usize::MAX);
        let shown = &found[..found.len().min(size)];
        let last = shown.last().filter(|_| found.len() > size);
        let next = last.map(|last| self.link(key(last)));
        let first = self.after.as_ref().map(|_| self.link(""));
        ListPage {
            shown,
            links: components::pages(context, first.as_deref(), next.as_deref()),
            is_whole: self.text.is_none()
                && self.filters.is_empty()
                && first.is_none()
                && next.is_none(),
        }
    }

    /// The path of the page after the entry `after`, with the same text and filters.
    fn link(&self, after: &str) -> String {
        let text = self.text.as_deref().unwrap_or_default();
        let parameters = [("text", text), ("after", after)];
        let filters = self
            .filters
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        let given = filters
            .chain(parameters)
            .filter(|(_, value)| !value.is_empty());
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(given)
            .finish();
        format!("{}?{query}", self.path)
    }

    /// The form that searches the list for a text.
    pub fn form(&self, context: &PageContext, label: &str) -> Markup {
        let text = self.text.as_deref();
        html! {
            form.filter role="search" method="get" action=(context.link(self.path)) {
                div.field {
                    label for="text" { (context.t(label)) }
                    input id="text" name="text" type="search" value=(text.unwrap_or_default()) autocomplete="off" spellcheck="false";
                }
                button { (context.t("search")) }
                @if text.is_some() { a.button.quiet href=(context.link(self.path)) { (context.t("clear")) } }
            }
        }
    }
}
