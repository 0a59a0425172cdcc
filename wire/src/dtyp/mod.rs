//! Data types of [MS-DTYP].
