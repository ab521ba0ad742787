package request

// PropertyDestinationAddress is where the connection was accepted.
var PropertyDestinationAddress = []string{"destination", "address"}
