#![allow(missing_docs, reason="stub")]
pub mod pipeline {
    use std::time::Instant;
    use crate::{exit_status::ExitStatus, normalize::Batch, report::*, snapshot::*, store::*};
    #[derive(Debug)] pub enum NewEpoch{Keep,Mirror}
    #[derive(Debug)] pub struct SyncOptions { pub delivery: Option<String>, pub confirm: Option<String>, pub new_epoch: Option<NewEpoch>, pub dry_run: bool, pub deadline: Option<Instant>, pub rejected: u64 }
    #[derive(Debug, thiserror::Error)] #[error("no")] pub struct SyncError;
    impl SyncError { pub fn exit_status(&self)->ExitStatus{ExitStatus::Internal} pub fn outcome(&self)->Outcome{Outcome::Failed} }
    pub fn sync(_store: &dyn SnapshotStore, flow: &FlowName, batch: &Batch, options: &SyncOptions, _lines: &mut ReportLines) -> Result<Summary, SyncError> {
        let mut s = Summary::new(Outcome::Unchanged, Some(flow.clone())); s.received=batch.received; s.rejected=options.rejected; Ok(s)
    }
}
pub mod history {
    use std::{str::FromStr, io::Write, fmt};
    use crate::{exit_status::ExitStatus, snapshot::*, store::*, indexeddb::{dom_string::DomString,key::SortableKey}};
    #[derive(Clone,Copy,Debug)] pub enum At{Latest,Version(FlowVersion)}
    impl FromStr for At { type Err=String; fn from_str(t:&str)->Result<Self,String>{ if t=="latest"{Ok(Self::Latest)}else{t.parse().map(Self::Version).map_err(|e|format!("{e}"))}} }
    pub enum RestoreFormat{Changes,Records}
    pub struct RestoreOptions{pub format:RestoreFormat,pub object_store:Option<DomString>}
    #[derive(Debug, thiserror::Error)] #[error("no")] pub struct HistoryError;
    impl HistoryError { pub fn exit_status(&self)->ExitStatus{ExitStatus::Internal} }
    pub fn open_version(_:&dyn SnapshotStore,_:&FlowName,_:At)->Result<StoredVersion,HistoryError>{Err(HistoryError)}
    pub fn restore(_:&dyn SnapshotStore,_:&FlowName,_:&StoredVersion,_:&RestoreOptions,_:&mut dyn Write)->Result<(),HistoryError>{Err(HistoryError)}
    pub struct ShownRecord{pub line:String}
    pub fn show_record(_:&dyn SnapshotStore,_:&FlowName,_:&StoredVersion,_:&DomString,_:&SortableKey)->Result<Option<ShownRecord>,HistoryError>{Err(HistoryError)}
    pub struct LogEntry; impl LogEntry{ pub fn to_json(&self)->String{String::new()} pub fn to_text(&self)->String{String::new()} }
    pub fn log(_:&dyn SnapshotStore,_:&FlowName,_:Option<usize>)->Result<Vec<LogEntry>,HistoryError>{Err(HistoryError)}
    pub struct Verified; impl fmt::Display for Verified{fn fmt(&self,_:&mut fmt::Formatter<'_>)->fmt::Result{Ok(())}}
    pub fn verify(_:&dyn SnapshotStore,_:&FlowName,_:&StoredVersion,_:bool)->Result<Verified,HistoryError>{Err(HistoryError)}
}
pub mod git { pub struct GitStore; impl GitStore { pub fn open(_:&std::path::Path)->Result<crate::store::memory::MemoryStore,crate::store::StoreError>{Ok(Default::default())} } }
