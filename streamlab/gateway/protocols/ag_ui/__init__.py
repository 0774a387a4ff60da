"""AG-UI 1.0 (https://ag-ui.com): the front ends that speak it are pointed at the gateway as they are."""
