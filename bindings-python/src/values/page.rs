//! One page of a longer list: a sequence whose items are made when they are looked at.

use std::sync::Arc;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySlice, PyTuple, PyType};
use tertulia::base::{Cursor, Page as PageOf};
use tertulia::model::{
    Branch as BranchRecord, ConversationSummary as ConversationRecord, Message as MessageRecord, SearchHit as HitRecord,
};

use super::held::Held;
use super::message::{Branch, ConversationInfo, Message};
use super::search::SearchHit;
use crate::convert::{ToPython, plain};

/// One page of a longer list.
#[pyclass(frozen, sequence, module = "tertulia")]
pub(crate) struct Page(Items);

enum Items {
    Messages(Arc<PageOf<MessageRecord>>),
    Conversations(Arc<PageOf<ConversationRecord>>),
    Branches(Arc<PageOf<BranchRecord>>),
    Hits(Arc<PageOf<HitRecord>>),
}

/// Runs the same code for whichever page it is.
macro_rules! page {
    ($self:expr, $page:ident => $code:expr) => {
        match &$self.0 {
            Items::Messages($page) => $code,
            Items::Conversations($page) => $code,
            Items::Branches($page) => $code,
            Items::Hits($page) => $code,
        }
    };
}

macro_rules! pages {
    ($($record:ident $make:ident),*) => {
        $(impl ToPython for PageOf<$record> {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                self.clone().into_python(py)
            }

            fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                Ok(Bound::new(py, Page::$make(self))?.into_any())
            }
        })*
    };
}

pages!(MessageRecord messages, ConversationRecord conversations, BranchRecord branches, HitRecord hits);

impl Page {
    /// A page of messages.
    pub(crate) fn messages(page: PageOf<MessageRecord>) -> Self {
        Self(Items::Messages(Arc::new(page)))
    }

    /// A page of conversations.
    pub(crate) fn conversations(page: PageOf<ConversationRecord>) -> Self {
        Self(Items::Conversations(Arc::new(page)))
    }

    /// A page of branches.
    pub(crate) fn branches(page: PageOf<BranchRecord>) -> Self {
        Self(Items::Branches(Arc::new(page)))
    }

    /// A page of what a search has found.
    pub(crate) fn hits(page: PageOf<HitRecord>) -> Self {
        Self(Items::Hits(Arc::new(page)))
    }

    /// What is on it, in a word.
    const fn kind(&self) -> &'static str {
        match &self.0 {
            Items::Messages(_) => "messages",
            Items::Conversations(_) => "conversations",
            Items::Branches(_) => "branches",
            Items::Hits(_) => "hits",
        }
    }

    fn item<'py>(&self, py: Python<'py>, index: usize) -> PyResult<Bound<'py, PyAny>> {
        match &self.0 {
            Items::Messages(page) => Ok(Bound::new(py, Message(Held::Item(Arc::clone(page), index)))?.into_any()),
            Items::Conversations(page) => {
                Ok(Bound::new(py, ConversationInfo(Held::Item(Arc::clone(page), index)))?.into_any())
            }
            Items::Branches(page) => Ok(Bound::new(py, Branch(Held::Item(Arc::clone(page), index)))?.into_any()),
            Items::Hits(page) => Ok(Bound::new(py, SearchHit(Held::Item(Arc::clone(page), index)))?.into_any()),
        }
    }
}

#[pymethods]
impl Page {
    fn __len__(&self) -> usize {
        page!(self, page => page.items.len())
    }

    fn __getitem__<'py>(&self, index: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (py, length) = (index.py(), self.__len__());
        if let Ok(slice) = index.cast::<PySlice>() {
            let bounds = slice.indices(isize::try_from(length)?)?;
            let (mut at, list) = (bounds.start, PyList::empty(py));
            for _ in 0..bounds.slicelength {
                list.append(self.item(py, usize::try_from(at)?)?)?;
                at += bounds.step;
            }
            return Ok(list.into_any());
        }
        let index: isize = index.extract()?;
        let place = if index < 0 { index.checked_add_unsigned(length) } else { Some(index) };
        match place.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < length) {
            Some(at) => self.item(py, at),
            None => Err(PyIndexError::new_err("the page has no item with this index")),
        }
    }

    /// The index of the first item that equals this one.
    #[pyo3(signature = (value, start = 0, stop = None))]
    fn index(&self, value: &Bound<'_, PyAny>, start: isize, stop: Option<isize>) -> PyResult<usize> {
        let length = self.__len__();
        let from =
            |at: isize| usize::try_from(if at < 0 { at.saturating_add_unsigned(length) } else { at }).unwrap_or(0);
        for at in from(start)..stop.map_or(length, from).min(length) {
            if self.item(value.py(), at)?.eq(value)? {
                return Ok(at);
            }
        }
        Err(pyo3::exceptions::PyValueError::new_err("the page has no such item"))
    }

    /// How many items equal this one.
    fn count(&self, value: &Bound<'_, PyAny>) -> PyResult<usize> {
        let mut count = 0;
        for at in 0..self.__len__() {
            count += usize::from(self.item(value.py(), at)?.eq(value)?);
        }
        Ok(count)
    }

    fn __contains__(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.count(value)? > 0)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.items(py)?.try_iter()?.into_any())
    }

    fn __reversed__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let items = (0..self.__len__()).rev().map(|at| self.item(py, at)).collect::<PyResult<Vec<_>>>()?;
        Ok(PyList::new(py, items)?.try_iter()?.into_any())
    }

    /// What is on the page.
    #[getter]
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let items = (0..self.__len__()).map(|at| self.item(py, at)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, items)
    }

    /// Leads to older items.
    #[getter]
    fn before(&self) -> Option<String> {
        page!(self, page => page.before.as_ref().map(Cursor::to_string))
    }

    /// Leads to newer items.
    #[getter]
    fn after(&self) -> Option<String> {
        page!(self, page => page.after.as_ref().map(Cursor::to_string))
    }

    /// True when the page holds the first item there is.
    #[getter]
    fn reached_start(&self) -> bool {
        page!(self, page => page.reached_start)
    }

    /// True when the page holds the last item there is.
    #[getter]
    fn reached_end(&self) -> bool {
        page!(self, page => page.reached_end)
    }

    /// Changes whenever the list does.
    #[getter]
    fn version(&self) -> i64 {
        page!(self, page => page.version)
    }

    /// The plain form.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        page!(self, page => plain(py, &**page))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> Option<bool> {
        match (&self.0, &other.cast::<Self>().ok()?.get().0) {
            (Items::Messages(one), Items::Messages(two)) => Some(one == two),
            (Items::Conversations(one), Items::Conversations(two)) => Some(one == two),
            (Items::Branches(one), Items::Branches(two)) => Some(one == two),
            (Items::Hits(one), Items::Hits(two)) => Some(one == two),
            _ => Some(false),
        }
    }

    fn __hash__(&self) -> u64 {
        super::class::hash(|hasher| {
            std::hash::Hash::hash(&(self.version(), self.__len__(), self.before()), hasher);
        })
    }

    fn __repr__(&self) -> String {
        let of = self.kind();
        let word = |b| if b { "True" } else { "False" };
        format!(
            "Page({} {of}, reached_start={}, reached_end={})",
            self.__len__(),
            word(self.reached_start()),
            word(self.reached_end())
        )
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<super::class::Reduced<'py>> {
        let kind = slf.get().kind();
        let json = page!(slf.get(), page => serde_json::to_string(&**page));
        let json = json.map_err(|e| pyo3::exceptions::PyValueError::new_err(e.to_string()))?;
        let restore = slf.py().import("tertulia._native")?.getattr("_restore")?;
        Ok((restore, (slf.get_type(), format!("{kind} {json}"))))
    }

    #[staticmethod]
    fn _of_json(json: &str) -> PyResult<Self> {
        let bad = |_| pyo3::exceptions::PyValueError::new_err("not the JSON of a page");
        match json.split_once(' ') {
            Some(("messages", json)) => serde_json::from_str(json).map(Self::messages).map_err(bad),
            Some(("conversations", json)) => serde_json::from_str(json).map(Self::conversations).map_err(bad),
            Some(("branches", json)) => serde_json::from_str(json).map(Self::branches).map_err(bad),
            Some(("hits", json)) => serde_json::from_str(json).map(Self::hits).map_err(bad),
            _ => Err(pyo3::exceptions::PyValueError::new_err("not the JSON of a page")),
        }
    }

    fn __copy__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __deepcopy__<'py>(slf: Bound<'py, Self>, _memo: &Bound<'py, PyDict>) -> Bound<'py, Self> {
        slf
    }

    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, item: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        class.py().import("types")?.getattr("GenericAlias")?.call1((class, item))
    }
}
