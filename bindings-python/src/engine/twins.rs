//! One class in two manners, from one text.

use std::future::Future;

use tertulia::Result;

/// The call, whose error says what was being done when nothing nearer to the failure has said it: the engine does,
/// but not when there is none any more.
pub(super) async fn during<T>(operation: &'static str, call: impl Future<Output = Result<T>>) -> Result<T> {
    call.await.map_err(|error| error.during(operation))
}

/// Makes a class whose verbs wait and one whose verbs are awaited.
///
/// ```text
/// twins! {
///     /// What it is.
///     Name / AsyncName (what both hold), "name.";           // what the errors of its verbs begin their operation with
///     verbs { fn verb(&self, py, argument: Type) { a future } }   // once for both
///     both { methods } sync { methods } async { methods }
/// }
/// ```
macro_rules! twins {
    (
        $(#[$doc:meta])*
        $sync:ident / $async:ident ($inner:ty), $area:literal;
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
                    let operation = concat!($area, stringify!($verb));
                    let done = $crate::bridge::wait($py, $crate::engine::twins::during(operation, $call))?;
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
                    let call = $crate::engine::twins::during(concat!($area, stringify!($verb)), $call);
                    Ok($crate::bridge::Awaitable::spawned(async move { call.await.map($crate::bridge::done) }))
                }
            )*

            $($both)*

            $($only_async)*
        }
    };
}
