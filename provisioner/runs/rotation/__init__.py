"""Keys of sites' gateways changed: both are known to relays until the gateway was seen with the new one."""
