// Package filters holds what Palisade's filters share, in the packages below it. They are plain Go, so that
// policy runs natively in tests and tools and unchanged in Wasm; only package sdk talks to the host.
package filters
