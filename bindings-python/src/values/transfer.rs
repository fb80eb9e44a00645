//! What exports and imports tell.

use tertulia::model::{ExportReport as ExportRecord, ImportProblem as ProblemRecord, ImportReport as ImportRecord};

use crate::convert::{InItem, OutItem};

values! {
    /// What an export has written.
    ExportReport(record ExportRecord) { conversations, messages, files, bytes }
    matches(conversations, messages) shows(conversations, messages, files, bytes) hashes(conversations, messages, bytes)

    /// Something in a file that was not as it should be.
    ImportProblem(record ProblemRecord) { line, item, reason, detail }
    matches(line, reason) shows(line, item, reason, detail) hashes(line, item, reason)

    /// What an import has done, or would do.
    ImportReport(record ImportRecord) { format, dry_run, conversations, messages, skipped, problem_count, problems }
    matches(conversations, messages) shows(format, dry_run, conversations, messages, skipped, problem_count)
    hashes(conversations, messages, skipped)
}

records!(ExportReport = ExportRecord, ImportProblem = ProblemRecord, ImportReport = ImportRecord);

impl OutItem for ProblemRecord {}
impl InItem for ProblemRecord {}
