// Package rls speaks Envoy's rate limit service protocol (envoy/service/ratelimit/v3/rls.proto): what a request asks, what
// an answer says, and when a service that fails is left alone. Messages are gRPC frames (the gRPC over HTTP2
// specification's Length-Prefixed-Message), which the proxy's HTTP client carries.
package rls
