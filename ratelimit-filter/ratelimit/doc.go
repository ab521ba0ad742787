// Package ratelimit decides how often an identity may do something. It is told of a host no more than that there is
// memory which the workers share, and a clock: Config -> Compile -> Limiter -> Decide.
package ratelimit
