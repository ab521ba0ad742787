// Package peercert finds the URIs in a client's certificate. Envoy's own attribute for them,
// connection.uri_san_peer_certificate, has the first only, and a certificate with a second one names nobody
// (https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#2-spiffe-id).
//
// It is not a verifier, which is Envoy's part. What it does not understand it does not skip, because a name that was
// skipped might have been the second.
package peercert

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
)

// Property is Envoy's attribute that URISANs reads. There is none if the client showed no certificate.
var Property = []string{"connection", "peer_certificate"}

// MaxLength is the longest PEM that is read. A certificate with a thousand names is shorter, and Envoy's TLS library by
// default refuses a chain of more than 100 kB.
const MaxLength = 64 << 10

// Errors of URISANs.
var (
	ErrPEM       = errors.New("peercert: not one certificate in PEM")
	ErrLength    = errors.New("peercert: longer than 64 KiB")
	ErrDER       = errors.New("peercert: not an X.509 version 3 certificate in DER")
	ErrRepeated  = errors.New("peercert: two subject alternative name extensions")
	ErrNames     = errors.New("peercert: a subject alternative name extension that is not understood")
	ErrCharacter = errors.New("peercert: a URI that is empty, or has a space, a control character or a byte beyond ASCII")
)

// URISANs returns the URIs among the subject alternative names of a certificate, in order. It takes what Envoy's attribute
// has, a PEM block as OpenSSL writes it. (In x-forwarded-client-cert the same is percent-encoded.)
func URISANs(pem string) ([]string, error) {
	if len(pem) > MaxLength {
		return nil, ErrLength
	}
	certificate, err := decodePEM(pem)
	if err != nil {
		return nil, err
	}
	names, err := subjectAltName(certificate)
	if err != nil || names == nil {
		return nil, err
	}
	return uris(names)
}

const (
	pemBegin = "-----BEGIN CERTIFICATE-----\n"
	pemEnd   = "-----END CERTIFICATE-----\n"
)

var encoding = base64.StdEncoding.Strict()

func decodePEM(pem string) ([]byte, error) {
	body, begins := strings.CutPrefix(pem, pemBegin)
	body, ends := strings.CutSuffix(body, pemEnd)
	// The decoder passes over line breaks, but a '-' it refuses, so there is no second block inside.
	if !begins || !ends || !strings.HasSuffix(body, "\n") {
		return nil, ErrPEM
	}
	certificate, err := encoding.DecodeString(body)
	if err != nil {
		return nil, ErrPEM
	}
	return certificate, nil
}

// version3 is the INTEGER 2: only certificates of version 3 have extensions (RFC 5280 section 4.1.2.1).
var version3 = []byte{tagInteger, 1, 2}

// oidSubjectAltName is 2.5.29.17 (RFC 5280 section 4.2.1.6).
var oidSubjectAltName = []byte{0x55, 0x1d, 0x11}

// subjectAltName returns the content of the extension, nil if the certificate has none. It goes through the whole
// certificate, as of RFC 5280 section 4.1, so that nothing has another meaning than it seems.
func subjectAltName(certificate []byte) ([]byte, error) {
	outer := der{rest: certificate}
	signed := der{rest: outer.only(tagSequence)}
	body := der{rest: signed.element(tagSequence)}
	signed.element(tagSequence) // signature algorithm
	signed.only(tagBitString)   // signature

	version := body.element(tagVersion)
	body.element(tagInteger)  // serial number
	body.element(tagSequence) // signature algorithm
	body.element(tagSequence) // issuer
	body.element(tagSequence) // validity
	body.element(tagSequence) // subject
	body.element(tagSequence) // public key
	body.optional(tagIssuerUniqueID)
	body.optional(tagSubjectUniqueID)
	if outer.bad || signed.bad || body.bad || !bytes.Equal(version, version3) {
		return nil, ErrDER
	}
	if len(body.rest) == 0 {
		return nil, nil
	}
	wrapper := der{rest: body.only(tagExtensions)}
	extensions := der{rest: wrapper.only(tagSequence)}
	if body.bad || wrapper.bad || len(extensions.rest) == 0 {
		return nil, ErrDER
	}
	var names []byte
	found := false
	for len(extensions.rest) > 0 {
		extension := der{rest: extensions.element(tagSequence)}
		oid := extension.element(tagOID)
		critical, hasCritical := extension.optional(tagBoolean)
		value := extension.only(tagOctetString)
		if extensions.bad || extension.bad || len(oid) == 0 || hasCritical && !isBoolean(critical) {
			return nil, ErrDER
		}
		if !bytes.Equal(oid, oidSubjectAltName) {
			continue
		}
		if found {
			return nil, ErrRepeated
		}
		names, found = value, true
		if len(names) == 0 {
			return nil, ErrNames
		}
	}
	return names, nil
}

// isBoolean also takes FALSE, which DER leaves out because it is the default, but which some write.
func isBoolean(content []byte) bool {
	return len(content) == 1 && (content[0] == 0 || content[0] == 0xff)
}

// The alternatives of GeneralName (RFC 5280 section 4.2.1.6), with the tags that DER gives them.
const (
	nameOther     = 0xa0
	nameEmail     = 0x81
	nameDNS       = 0x82
	nameX400      = 0xa3
	nameDirectory = 0xa4
	nameEDIParty  = 0xa5
	nameURI       = 0x86
	nameIP        = 0x87
	nameID        = 0x88
)

// uris picks the URIs out of a SEQUENCE OF GeneralName.
func uris(extension []byte) ([]string, error) {
	wrapper := der{rest: extension}
	names := der{rest: wrapper.only(tagSequence)}
	if wrapper.bad || len(names.rest) == 0 {
		return nil, ErrNames
	}
	var found []string
	for len(names.rest) > 0 {
		tag, content := names.next()
		if names.bad {
			return nil, ErrNames
		}
		switch tag {
		case nameURI:
			if !isURI(content) {
				return nil, ErrCharacter
			}
			found = append(found, string(content))
		case nameOther, nameEmail, nameDNS, nameX400, nameDirectory, nameEDIParty, nameIP, nameID:
		default:
			return nil, ErrNames
		}
	}
	return found, nil
}

// isURI tells whether a URI has only characters that a URI may have, or nearly so. A NUL, for one, has hidden the end of a
// name from C code before.
func isURI(content []byte) bool {
	for _, c := range content {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(content) > 0
}
