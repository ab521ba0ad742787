package rls

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/palisade-mesh/palisade/filters/wire"
)

// Status is what the service says of one descriptor.
type Status struct {
	Known     bool // it has a limit for it
	Over      bool
	Remaining int64
	Reset     int64 // seconds until the count begins anew, at least 1
}

// Field numbers, and the code, of rls.proto.
const (
	responseOverall         = 1
	responseStatuses        = 2
	statusCode              = 1
	statusCurrentLimit      = 2
	statusRemaining         = 3
	statusUntilReset        = 4
	durationSeconds         = 1
	durationNanos           = 2
	codeUnknown             = 0
	codeOK                  = 1
	codeOverLimit           = 2
	maxSeconds              = 366 * 24 * 3600
	maxAnswer               = 1 << 16
	grpcStatusOK            = "0"
	headerStatus            = ":status"
	headerGRPCStatus        = "grpc-status"
	httpOK                  = "200"
	compressedFlag     byte = 0
)

// MaxAnswer is how much of an answer is read. One of a hundred descriptors has a few kilobytes.
const MaxAnswer = maxAnswer

// Errors of an answer.
var (
	ErrStatus = errors.New("the rate limit service failed")
	ErrFrame  = errors.New("the rate limit service's answer is not a gRPC message")
	errAnswer = errors.New("the rate limit service's answer is not a RateLimitResponse")
	errCount  = errors.New("the rate limit service answered about another number of descriptors")
)

// CheckStatus tells from an answer's headers and trailers whether the call succeeded. A server that refuses may say so
// in the headers (Trailers-Only).
func CheckStatus(headers, trailers [][2]string) error {
	ok := false
	for _, h := range headers {
		switch {
		case h[0] == headerStatus && h[1] != httpOK, h[0] == headerGRPCStatus && h[1] != grpcStatusOK:
			return ErrStatus
		case h[0] == headerGRPCStatus:
			ok = true
		}
	}
	for _, h := range trailers {
		if h[0] == headerGRPCStatus {
			if h[1] != grpcStatusOK {
				return ErrStatus
			}
			ok = true
		}
	}
	if !ok {
		return ErrStatus // it has not said
	}
	return nil
}

// Decode reads an answer's body about so many descriptors into list, which it returns. The overall code is what counts, as to
// Envoy's own filter: a service that only tries limits says OK, whatever its statuses, and one that says that the request is over a
// limit need not name one.
func Decode(list []Status, body []byte, descriptors int) ([]Status, error) {
	list = list[:0]
	if len(body) < frameHeader || body[0] != compressedFlag || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-frameHeader) {
		return list, ErrFrame
	}
	overall := uint64(codeUnknown)
	for b := body[frameHeader:]; len(b) > 0; {
		f, rest, err := wire.Next(b)
		if err != nil {
			return list, errAnswer
		}
		b = rest
		switch {
		case f.Number == responseOverall && f.Kind == wire.Varint:
			overall = f.Integer
		case f.Number == responseStatuses:
			status, err := decodeStatus(f)
			if err != nil {
				return list, err
			}
			list = append(list, status)
		}
	}
	switch {
	case overall == codeOverLimit && len(list) == 0:
		for range descriptors {
			list = append(list, Status{Over: true, Reset: 1})
		}
	case len(list) != descriptors:
		return list, errCount
	case overall == codeOK:
		for i := range list {
			list[i].Over = false
		}
	case overall != codeOverLimit:
		return list, errAnswer
	case !slices.ContainsFunc(list, isOver):
		for i := range list {
			list[i].Over, list[i].Remaining = true, 0
		}
	}
	return list, nil
}

func isOver(s Status) bool { return s.Over }

func decodeStatus(status wire.Field[[]byte]) (s Status, err error) {
	if status.Kind != wire.Bytes {
		return s, errAnswer
	}
	code := uint64(codeUnknown)
	var reset duration
	for b := status.Bytes; len(b) > 0; {
		var f wire.Field[[]byte]
		if f, b, err = wire.Next(b); err != nil {
			return s, errAnswer
		}
		// What is of another kind is another field (of another version), as to every reader of protobuf.
		switch {
		case f.Number == statusCode && f.Kind == wire.Varint:
			code = f.Integer
		case f.Number == statusCurrentLimit && f.Kind == wire.Bytes:
			s.Known = true
		case f.Number == statusRemaining && f.Kind == wire.Varint:
			s.Remaining = int64(uint32(f.Integer))
		case f.Number == statusUntilReset && f.Kind == wire.Bytes:
			if err := reset.merge(f.Bytes); err != nil {
				return s, err
			}
		}
	}
	s.Reset = reset.roundedUp()
	switch code {
	case codeOK:
		s.Known = s.Known || s.Remaining == unlimited
	case codeOverLimit:
		s.Over, s.Remaining = true, 0
	default:
		return s, errAnswer
	}
	return s, nil
}

// unlimited is what a service says is left of a limit that it has, and that has none (envoyproxy/ratelimit).
const unlimited = 1<<32 - 1

// duration is a google.protobuf.Duration.
type duration struct {
	seconds int64
	nanos   int32
}

// merge reads fields; the last of a number counts.
func (d *duration) merge(b []byte) error {
	for len(b) > 0 {
		f, rest, err := wire.Next(b)
		if err != nil {
			return errAnswer
		}
		b = rest
		switch {
		case f.Kind != wire.Varint:
		case f.Number == durationSeconds:
			d.seconds = int64(f.Integer)
		case f.Number == durationNanos:
			d.nanos = int32(f.Integer)
		}
	}
	return nil
}

// roundedUp is how many seconds it is, at least 1.
func (d duration) roundedUp() int64 {
	seconds := min(max(d.seconds, 0), maxSeconds)
	if d.nanos > 0 {
		seconds++
	}
	return max(seconds, 1)
}
