//! Elements with a layout and an identity: what a tensor refers to.

use triomphe::Arc;

use crate::layout::Layout;
use crate::storage::Buffer;
use crate::value_id::ValueId;

/// Elements with a layout and an identity, which the clones of a tensor share. The reference count is not that of the
/// standard library, whose weak references cost an atomic operation at each drop and each exclusive access.
pub(crate) struct Array {
    id: ValueId,
    layout: Layout,
    storage: Storage,
}

enum Storage {
    Own(Buffer),
    /// Those of the array that owns them.
    View(Arc<Array>),
}

impl Array {
    /// An array that owns its elements.
    pub(crate) fn new(buffer: Buffer, layout: Layout) -> Arc<Array> {
        Arc::new(Array { id: ValueId::fresh(), layout, storage: Storage::Own(buffer) })
    }

    /// The same elements with another layout and identity.
    pub(crate) fn view(array: &Arc<Array>, layout: Layout, id: ValueId) -> Arc<Array> {
        let owner = match &array.storage {
            Storage::Own(_) => array,
            Storage::View(owner) => owner,
        };
        Arc::new(Array { id, layout, storage: Storage::View(owner.clone()) })
    }

    #[inline]
    pub(crate) fn id(&self) -> ValueId {
        self.id
    }

    #[inline]
    pub(crate) fn set_id(&mut self, id: ValueId) {
        self.id = id;
    }

    #[inline]
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All elements of the owner.
    #[inline]
    pub(crate) fn buffer(&self) -> &Buffer {
        match &self.storage {
            Storage::Own(buffer) => buffer,
            Storage::View(owner) => owner.buffer(),
        }
    }

    /// All elements of the owner for writing, unless they are shared. This is another value from now on.
    pub(crate) fn buffer_mut(array: &mut Arc<Array>) -> Option<&mut Buffer> {
        let Array { id, storage, .. } = Arc::get_mut(array)?;
        let buffer = match storage {
            Storage::Own(buffer) => buffer,
            Storage::View(owner) => Array::buffer_mut(owner)?,
        };
        *id = ValueId::fresh();
        Some(buffer)
    }
}
