//! What the upkeep of a store tells.

use tertulia::model::{
    Repair as RepairRecord, StorageKind as KindRecord, StorageReport as ReportRecord, StoreProblem as ProblemRecord,
    Verification as VerificationRecord,
};

use crate::convert::{InItem, OutItem};

values! {
    /// Something that is wrong with a store.
    StoreProblem(record ProblemRecord) { kind, place, detail, repairable }
    matches(kind, place) shows(kind, place, detail, repairable) hashes(kind, place, detail)

    /// What a look at a whole store has found.
    Verification(record VerificationRecord) { problems, conversations, messages }
    matches(problems) shows(problems, conversations, messages) hashes(conversations, messages)
    + {
        /// True when nothing is wrong.
        #[getter]
        fn is_sound(&self) -> bool {
            self.0.get().is_sound()
        }
    }

    /// What a repair of a store has done.
    Repair(record RepairRecord) { repaired, left }
    matches(repaired, left) shows(repaired, left) hashes(repaired, left)

    /// What one kind of thing takes of the disk.
    StorageKind(record KindRecord) { name, bytes, index_bytes }
    matches(name, bytes) shows(name, bytes, index_bytes) hashes(name, bytes)

    /// What a store takes of the disk.
    StorageReport(record ReportRecord) { file_bytes, log_bytes, page_bytes, pages, free_pages, kinds }
    matches(file_bytes) shows(file_bytes, log_bytes, free_pages) hashes(file_bytes, pages)
}

records!(
    StoreProblem = ProblemRecord,
    Verification = VerificationRecord,
    Repair = RepairRecord,
    StorageKind = KindRecord,
    StorageReport = ReportRecord
);

impl OutItem for ProblemRecord {}
impl InItem for ProblemRecord {}
impl OutItem for KindRecord {}
impl InItem for KindRecord {}
