//! The proof against a real NiFi Registry.
