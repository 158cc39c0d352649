"""The lab's BMCs: one sensor state per host, told over IPMI (to the guest) and Redfish (to us)."""
