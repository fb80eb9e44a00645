//! One class in two manners, from one text.

/// Makes a class whose verbs wait and one whose verbs are awaited.
///
/// ```text
/// twins! {
///     /// What it is.
///     Name / AsyncName (what both hold);
///     verbs { fn verb(&self, py, argument: Type) { a future } }   // once for both
///     both { methods } sync { methods } async { methods }
/// }
/// ```
macro_rules! twins {
    (
        $(#[$doc:meta])*
        $sync:ident / $async:ident ($inner:ty);
        verbs { $(
            $(#[$about:meta])*
            fn $verb:ident(&$self:ident, $py:ident $(, $($args:tt)*)?) $call:block
        )* }
        both { $($both:tt)* }
        sync { $($only_sync:tt)* }
        async { $($only_async:tt)* }
    ) => {
        $(#[$doc])*
        #[pyo3::pyclass(frozen, module = "tertulia")]
        pub(crate) struct $sync(pub(super) $inner);

        #[pyo3::pymethods]
        impl $sync {
            $(
                $(#[$about])*
                fn $verb<'py>(
                    &$self, $py: pyo3::Python<'py> $(, $($args)*)?
                ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                    let done = $crate::bridge::wait($py, $call)?;
                    $crate::convert::ToPython::into_python(done, $py)
                }
            )*

            $($both)*

            $($only_sync)*
        }

        $(#[$doc])*
        #[pyo3::pyclass(frozen, module = "tertulia")]
        pub(crate) struct $async(pub(super) $inner);

        #[pyo3::pymethods]
        impl $async {
            $(
                $(#[$about])*
                fn $verb(
                    &$self, $py: pyo3::Python<'_> $(, $($args)*)?
                ) -> pyo3::PyResult<$crate::bridge::Awaitable> {
                    let call = $call;
                    Ok($crate::bridge::Awaitable::spawned(async move { call.await.map($crate::bridge::done) }))
                }
            )*

            $($both)*

            $($only_async)*
        }
    };
}
