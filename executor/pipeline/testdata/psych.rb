# Records what Ruby's Psych, by which GitLab reads YAML, makes of scalars and
# documents, for TestScalarsAreThoseOfPsych:
#   ruby psych.rb [scalar_scanner.rb of another release] > psych.json
require 'date'
require 'json'
require 'psych'
if ARGV[0]
  $VERBOSE = nil
  Psych.send(:remove_const, :ScalarScanner)
  load ARGV[0]
end

SCALARS = %w[
  ~ null Null NULL nUlL none nil yes Yes YES yEs no No on On ON off Off true True TRUE tRue false y n Y N truer yes! on-off
  0 00 1 12 -12 +12 --1 1_000 1_ 1__0 _1 1,000 1,00 1, 0, 017 0o17 0O17 019 08 -017 +017 0_17 0b101 0B1 -0b1 0b 0b2 0b1_0 0x1F 0X1f -0x1f 0x 0x_ 0xg 0x1_F
  123456789012345678901234567890 1e3 1E3 1.e3 1.e+3 1.5e3 1.5e+3 1.5E-3 1. .5 -.5 . -. +. .. 1.10 1.0 -1.50 +1.5 1_0.5 1.5_0 1,0.5 1.2.3 v1.10 1.10-alpine 3.9-slim
  .inf -.inf +.inf .Inf .INF .nan .NaN -.nan inf nan
  12:30 1:30:15 12:30:15 -12:30 +1:00 12:60 1:5 22:22 0:0 1_0:30 12:30.5 1:2:3:4 :30 30: 8080:80 127.0.0.1:80
  2024-01-31 2024-1-1 2024-02-31 2024-13-01 24-01-01 2024-01 20240131 2024-01-31T12:30:15Z 2024-01-31T12:30:15+01:00 2024-01-31T12:30 -2024-01-31
  :a :A_b :1 :: : :a-b :"x" :'x' a:b :a:b @ ^ 1a a1 1-2 -a -1- =  == <= é Ünï 日本 +a +yes +1a $X $1 (1) #a 1#2 100% 5m 1h30m 1.5h 10_a 0b1a
].freeze
SCALARS_WITH_SPACE = [
  '1 000', '12:30 h', '2024-01-31 12:30:15', '2024-01-31 12:30:15 +01:00', '2024-01-31 12:30:15 -5', '2024-01-31 at noon', '1 # c', 'yes # c', '"yes"', "'1.10'", '"12:30"', "'~'", '""', "''",
  ':"a b"', ":'a b' c", ': a', '!!str 1.10', '!!str yes', '!str 1', '!!int "12"', '!!float 1', '!!bool "yes"', '! 12', '!!binary aGk=', '!foo 12', '!!null ""', '"\x41\u00e9\n"', "'it''s'", '"a: b"', 'a  b', "a\tb",
  '|-' + "\n  12", '>-' + "\n  a\n  b", "a\n  b", "12\n  30",
].freeze
DOCUMENTS = [
  "a: 1\na: 2\n", "a: {b: 1}\na: {c: 2}\n", "1: a\nyes: b\n1.5: c\n:d: e\n\"f\": g\n~: h\n",
  "x: &x {a: 1, b: 2}\ny: {a: 0, <<: *x}\nz: {<<: *x, a: 0}\n", "x: &x {a: 1}\nw: &w {a: 2, b: 3}\ny: {<<: [*x, *w], c: 4}\n",
  "x: &x {a: 1}\ny: {\"<<\": *x}\n", "x: &x {a: 1}\ny: {!!str <<: *x}\n", "x: &x {a: 1}\ny: {<<: *x, <<: {a: 2}}\n", "x: &x 1\nx2: &x 2\ny: *x\n",
  "a: &a [1, 2]\nb: *a\n", "a:\t1\n", "a: {\tb: 1}\n", "a: [\tb\t,\tc\t]\n", "a: x\ty\n", "a: |\t\n  x\n", "a :\t1\n", "- a\n-\tb\n", "a:\n\tb: 1\n", "\ta: 1\n",
  "a:\r\n  - |\r\n    x\r\n    y\r\n  - z\r\n", "a: >\n  one\n  two\n\n  three\n", "a: |+\n  x\n\nb: 1\n", "a: 'x\n\n  y'\n", "a: \"x \\\n  y\"\n",
  "a: [b, c: d]\n", "a: {b, c}\n", "? a\n: b\n", "a: - b\n", "a: b: c\n", "a: [b\n", "a: *none\n", "a: @b\n", "a: `b`\n", "a: %b\n", "a: [1, 2,]\n", "a: 'b' c\n", "a: b #c\n", "a: b#c\n",
  "a: {D: :sym}\n", "a: {C: 12:30, D: 1}\n", "a: [:\"x\"]\n", "a: {b:c}\n", "a: {b:}\n", "a: {?b: c}\n", "a: {b: ?c}\n", "a: [-1, - 2]\n", "a: {b: -}\n", "a: {\"b\":c}\n",
  "a: !reference [b, c]\n", "a: !ruby/object:Object {}\n", "a: 2024-01-31\n", "a: 2024-01-31T12:30:15Z\n", "a: \"2024-01-31\"\n", "2024-01-31: a\n", "%YAML 1.1\n---\na: 1\n", "a: http://x:80/\n", "a: {b: http://x}\n", "a: [http://x, b]\n", "", "# c\n", "a\n", "- a\n",
].freeze

class Reference
  attr_reader :items

  def init_with(coder)
    @items = coder.seq
  end
end
Psych.add_tag('!reference', Reference)

def kind(value)
  case value
  when nil then 'nothing'
  when true, false then 'true or false'
  when Integer then 'a whole number'
  when Float then 'a number with a point'
  when Symbol then 'a symbol'
  when Date, Time then 'a date'
  else 'text'
  end
end

def shape(value)
  case value
  when Hash then { 'mapping' => value.map { |k, v| [shape(k), shape(v)] } }
  when Array then { 'list' => value.map { |v| shape(v) } }
  when Reference then { 'reference' => value.items.map { |v| shape(v) } }
  when Float then [kind(value)]
  else [kind(value), value.to_s]
  end
end

def read(text)
  shape(Psych.safe_load(text, permitted_classes: [Symbol, Reference], aliases: true))
rescue Psych::SyntaxError, Psych::BadAlias
  { 'refused' => 'syntax' }
rescue Psych::Exception => e
  { 'refused' => e.message }
end

# One to a line, so that a new recording can be read as a difference.
puts JSON.generate(['psych', Psych::VERSION, ARGV[0] ? 'with the scanner of 5.4.0' : 'with its own scanner', 'libyaml', Psych::LIBYAML_VERSION])
(SCALARS + SCALARS_WITH_SPACE).each { |s| puts JSON.generate([s, read("- #{s}\n")]) }
DOCUMENTS.each { |d| puts JSON.generate([d, read(d)]) }
