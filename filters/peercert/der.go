package peercert

// Tags of DER (ITU-T X.690): universal ones, and those that a certificate gives a meaning of its own.
const (
	tagBoolean     = 0x01
	tagInteger     = 0x02
	tagBitString   = 0x03
	tagOctetString = 0x04
	tagOID         = 0x06
	tagSequence    = 0x30

	tagVersion         = 0xa0 // [0] EXPLICIT
	tagIssuerUniqueID  = 0x81 // [1] IMPLICIT BIT STRING
	tagSubjectUniqueID = 0x82 // [2]
	tagExtensions      = 0xa3 // [3] EXPLICIT
)

// der reads elements one after the other. After the first that is not what it should be, all that follow are empty and bad
// is true, so it is enough to look at the end.
type der struct {
	rest []byte
	bad  bool
}

// next reads an element. Only tags of one byte and definite lengths of the shortest form are DER that a certificate has.
func (d *der) next() (tag byte, content []byte) {
	if len(d.rest) < 2 || d.rest[0]&0x1f == 0x1f {
		return 0, d.fail()
	}
	tag = d.rest[0]
	length, header := int(d.rest[1]), 2
	if length >= 0x80 {
		octets := length & 0x7f
		header += octets
		// Three octets are more than MaxLength needs. None is the indefinite form.
		if octets == 0 || octets > 3 || len(d.rest) < header || d.rest[2] == 0 {
			return 0, d.fail()
		}
		length = 0
		for _, b := range d.rest[2:header] {
			length = length<<8 | int(b)
		}
		if length < 0x80 {
			return 0, d.fail()
		}
	}
	if length > len(d.rest)-header {
		return 0, d.fail()
	}
	content = d.rest[header : header+length]
	d.rest = d.rest[header+length:]
	return tag, content
}

// element reads an element with this tag and returns its content.
func (d *der) element(tag byte) []byte {
	got, content := d.next()
	if got != tag {
		return d.fail()
	}
	return content
}

// optional reads an element if it has this tag.
func (d *der) optional(tag byte) (content []byte, found bool) {
	if len(d.rest) == 0 || d.rest[0] != tag {
		return nil, false
	}
	return d.element(tag), true
}

// only reads an element with this tag after which there is nothing.
func (d *der) only(tag byte) []byte {
	content := d.element(tag)
	if len(d.rest) > 0 {
		return d.fail()
	}
	return content
}

func (d *der) fail() []byte {
	d.rest, d.bad = nil, true
	return nil
}
