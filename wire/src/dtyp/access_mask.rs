//! Access rights: the bits of an access mask and how generic rights map to them.

use crate::flags::wire_flags;

wire_flags! {
    /// The rights that an open asks for or an access control entry speaks about.
    ///
    /// The low bits mean one thing for a file or pipe and another for a directory; both names are
    /// given.
    // [MS-SMB2] 2.2.13.1
    pub struct AccessMask: u32 {
        /// Read data from the file or pipe.
        const FILE_READ_DATA = 0x0000_0001;
        /// Write data.
        const FILE_WRITE_DATA = 0x0000_0002;
        /// Append data.
        const FILE_APPEND_DATA = 0x0000_0004;
        /// Read extended attributes.
        const FILE_READ_EA = 0x0000_0008;
        /// Write extended attributes.
        const FILE_WRITE_EA = 0x0000_0010;
        /// Execute the file.
        const FILE_EXECUTE = 0x0000_0020;
        /// Delete entries of the directory, whatever they themselves allow.
        const FILE_DELETE_CHILD = 0x0000_0040;
        /// Read attributes.
        const FILE_READ_ATTRIBUTES = 0x0000_0080;
        /// Change attributes.
        const FILE_WRITE_ATTRIBUTES = 0x0000_0100;
        /// Directory: enumerate it.
        const FILE_LIST_DIRECTORY = 0x0000_0001;
        /// Directory: create a file in it.
        const FILE_ADD_FILE = 0x0000_0002;
        /// Directory: create a directory in it.
        const FILE_ADD_SUBDIRECTORY = 0x0000_0004;
        /// Directory: pass through it.
        const FILE_TRAVERSE = 0x0000_0020;
        /// Delete the object.
        const DELETE = 0x0001_0000;
        /// Read owner, group and DACL.
        const READ_CONTROL = 0x0002_0000;
        /// Change the DACL.
        const WRITE_DAC = 0x0004_0000;
        /// Change the owner.
        const WRITE_OWNER = 0x0008_0000;
        /// Wait on the object; of no use on the wire.
        const SYNCHRONIZE = 0x0010_0000;
        /// Read and change the SACL.
        const ACCESS_SYSTEM_SECURITY = 0x0100_0000;
        /// All that the caller may have.
        const MAXIMUM_ALLOWED = 0x0200_0000;
        /// Everything, to be mapped.
        const GENERIC_ALL = 0x1000_0000;
        /// Execution, to be mapped.
        const GENERIC_EXECUTE = 0x2000_0000;
        /// Writing, to be mapped.
        const GENERIC_WRITE = 0x4000_0000;
        /// Reading, to be mapped.
        const GENERIC_READ = 0x8000_0000;
    }
}

impl AccessMask {
    /// The rights that only a file system knows.
    pub const FILE_SPECIFIC: Self = Self(0x0000_01FF);
    /// DELETE, READ_CONTROL, WRITE_DAC and WRITE_OWNER.
    pub const STANDARD_RIGHTS_REQUIRED: Self = Self(0x000F_0000);
    /// The standard rights with SYNCHRONIZE.
    pub const STANDARD_RIGHTS_ALL: Self = Self(0x001F_0000);
    /// The four generic rights.
    pub const GENERIC: Self = Self(0xF000_0000);
    /// Every right of a file or directory: what GENERIC_ALL maps to.
    pub const FILE_ALL_ACCESS: Self = Self(0x001F_01FF);
    /// What GENERIC_READ maps to.
    pub const FILE_GENERIC_READ: Self = Self(0x0012_0089);
    /// What GENERIC_WRITE maps to.
    pub const FILE_GENERIC_WRITE: Self = Self(0x0012_0116);
    /// What GENERIC_EXECUTE maps to.
    pub const FILE_GENERIC_EXECUTE: Self = Self(0x0012_00A0);

    /// Replaces the generic rights by what they map to.
    // [MS-DTYP] 2.4.3
    #[must_use]
    pub const fn map_generic(self, mapping: &GenericMapping) -> Self {
        let mut mapped = self.without(Self::GENERIC);
        if self.contains(Self::GENERIC_READ) {
            mapped = mapped.with(mapping.read);
        }
        if self.contains(Self::GENERIC_WRITE) {
            mapped = mapped.with(mapping.write);
        }
        if self.contains(Self::GENERIC_EXECUTE) {
            mapped = mapped.with(mapping.execute);
        }
        if self.contains(Self::GENERIC_ALL) {
            mapped = mapped.with(mapping.all);
        }
        mapped
    }
}

/// What the generic rights mean for one kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GenericMapping {
    /// Replaces GENERIC_READ.
    pub read: AccessMask,
    /// Replaces GENERIC_WRITE.
    pub write: AccessMask,
    /// Replaces GENERIC_EXECUTE.
    pub execute: AccessMask,
    /// Replaces GENERIC_ALL.
    pub all: AccessMask,
}

impl GenericMapping {
    /// The mapping for files, pipes, printers and directories, whose bits agree.
    // [MS-SMB2] 2.2.13.1.1
    pub const FILE: Self = Self {
        read: AccessMask::FILE_GENERIC_READ,
        write: AccessMask::FILE_GENERIC_WRITE,
        execute: AccessMask::FILE_GENERIC_EXECUTE,
        all: AccessMask::FILE_ALL_ACCESS,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_rights_map_to_the_rights_that_the_specification_lists() {
        let read = AccessMask::FILE_READ_DATA
            | AccessMask::FILE_READ_ATTRIBUTES
            | AccessMask::FILE_READ_EA
            | AccessMask::SYNCHRONIZE
            | AccessMask::READ_CONTROL;
        let write = AccessMask::FILE_WRITE_DATA
            | AccessMask::FILE_APPEND_DATA
            | AccessMask::FILE_WRITE_ATTRIBUTES
            | AccessMask::FILE_WRITE_EA
            | AccessMask::SYNCHRONIZE
            | AccessMask::READ_CONTROL;
        let execute = AccessMask::FILE_READ_ATTRIBUTES
            | AccessMask::FILE_EXECUTE
            | AccessMask::SYNCHRONIZE
            | AccessMask::READ_CONTROL;
        for (generic, specific) in [
            (AccessMask::GENERIC_READ, read),
            (AccessMask::GENERIC_WRITE, write),
            (AccessMask::GENERIC_EXECUTE, execute),
            (AccessMask::GENERIC_ALL, AccessMask::FILE_ALL_ACCESS),
        ] {
            assert_eq!(generic.map_generic(&GenericMapping::FILE), specific);
        }
    }

    #[test]
    fn mapping_leaves_other_bits_alone() {
        let mask = AccessMask::DELETE | AccessMask::MAXIMUM_ALLOWED | AccessMask::from_bits(0x0800);
        assert_eq!(mask.map_generic(&GenericMapping::FILE), mask);
    }
}
