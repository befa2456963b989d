//! What remotes served in the place of what they hold.

use engine::id::{DeviceId, RecordId, Remote};

use super::Evidence;
use crate::history::Fact;
use crate::plan::Node;

impl Evidence<'_> {
    /// Was this row sent to the device, before this moment, while a fault served another object in its
    /// place? That object may be an earlier one of the same record, which opens: then a device takes the
    /// remote for holding that.
    ///
    /// One fault puts an object of a row in the place of another row, the zone is reset, a device that
    /// cannot open the object puts it back there, and a second fault serves it in its own place again.
    pub(crate) fn was_served_another(
        &self,
        at: usize,
        device: DeviceId,
        (remote, id): (Remote, RecordId),
    ) -> bool {
        let row = (remote, self.vault(device), id);
        let faults = self.faults.iter().filter(|fault| fault.kind.damages() == Some(row));
        let mut meanwhile = faults.flat_map(|fault| {
            let end = fault.to.map_or(at, |end| end.min(at));
            self.history.get(fault.from..end).unwrap_or_default()
        });
        meanwhile.any(|entry| {
            entry.node == Node::Remote(remote)
                && matches!(&entry.fact, Fact::Sent { to, rows, .. }
                    if *to == Node::Device(device) && rows.iter().any(|(row, _)| *row == id))
        })
    }
}
