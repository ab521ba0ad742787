package rls

import (
	"encoding/binary"
	"errors"

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

// Decode reads an answer's body about so many descriptors into list, which it returns.
func Decode(list []Status, body []byte, descriptors int) ([]Status, error) {
	list = list[:0]
	if len(body) < frameHeader || body[0] != compressedFlag || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-frameHeader) {
		return list, ErrFrame
	}
	for b := body[frameHeader:]; len(b) > 0; {
		f, rest, err := wire.Next(b)
		if err != nil {
			return list, errAnswer
		}
		b = rest
		if f.Number != responseStatuses {
			continue
		}
		status, err := decodeStatus(f)
		if err != nil {
			return list, err
		}
		list = append(list, status)
	}
	if len(list) != descriptors {
		return list, errCount
	}
	return list, nil
}

func decodeStatus(f wire.Field[[]byte]) (s Status, err error) {
	if f.Kind != wire.Bytes {
		return s, errAnswer
	}
	code := uint64(codeUnknown)
	s.Reset = 1
	for b := f.Bytes; len(b) > 0; {
		if f, b, err = wire.Next(b); err != nil {
			return s, errAnswer
		}
		switch f.Number {
		case statusCode:
			code = f.Integer
		case statusCurrentLimit:
			s.Known = true
		case statusRemaining:
			s.Remaining = int64(uint32(f.Integer))
		case statusUntilReset:
			if s.Reset, err = decodeSeconds(f.Bytes); err != nil {
				return s, err
			}
		}
	}
	switch code {
	case codeOK:
	case codeOverLimit:
		s.Over, s.Remaining = true, 0
	default:
		return s, errAnswer
	}
	return s, nil
}

// decodeSeconds reads a google.protobuf.Duration, rounded up.
func decodeSeconds(b []byte) (seconds int64, err error) {
	var f wire.Field[[]byte]
	for len(b) > 0 {
		if f, b, err = wire.Next(b); err != nil {
			return 0, errAnswer
		}
		switch f.Number {
		case durationSeconds:
			seconds = min(max(seconds+int64(f.Integer), 0), maxSeconds)
		case durationNanos:
			if int32(f.Integer) > 0 {
				seconds++
			}
		}
	}
	return max(seconds, 1), nil
}
