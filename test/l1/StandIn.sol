// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

/// Stands for Taiko's inbox, lookahead store and whitelist, in what a reader of L1 sees of them: all three at one address. `generation`
/// 0: lookaheads in the log; 1: packed, in the calldata; 2: the whitelist alone. Anybody may call anything.
contract StandIn {
    struct LookaheadSlot { address committer; uint256 timestamp; bytes32 registrationRoot; uint256 validatorLeafIndex; }
    struct Operator { uint32 activeSince; uint32 deprecated; uint8 index; address sequencer; }
    struct Blacklist { uint48 at; uint48 un; }

    event LookaheadPosted(uint256 indexed epochTimestamp, bytes32 lookaheadHash, LookaheadSlot[] lookaheadSlots);
    event LookaheadPosted(uint256 indexed epochTimestamp, bytes26 lookaheadHash);
    event Blacklisted(bytes32 indexed operatorRegistrationRoot, uint48 timestamp);
    event Unblacklisted(bytes32 indexed operatorRegistrationRoot, uint48 timestamp);
    event OperatorAdded(address indexed proposer, address indexed sequencer, uint256 activeSince);
    event OperatorRemoved(address indexed proposer, address indexed sequencer, uint256 inactiveSince);

    address constant BEACON_ROOTS = 0x000F3df6D732807Ef1319fB7B8bB8522d0Beac02;
    uint256 constant EPOCH = 384;

    uint8 public immutable generation;
    /// When slot 0 began.
    uint256 public immutable genesis;
    uint8 public operatorCount;
    uint32 public latestActivationEpoch;
    mapping(uint256 => address) public operatorMapping;
    mapping(address => Operator) public operators;
    mapping(bytes32 => Blacklist) public getBlacklist;
    mapping(bytes32 => bool) public slashed;
    mapping(uint256 => bytes26) public getLookaheadHash;

    constructor(uint8 generation_, uint256 genesis_) { (generation, genesis) = (generation_, genesis_); }

    function epochStart() public view returns (uint256) { return genesis + (block.timestamp - genesis) / EPOCH * EPOCH; }

    function getConfig() external view returns (uint256, address, uint256, uint256) { return (7, address(this), 9, 11); }
    function preconfWhitelist() external view returns (address) { return address(this); }
    function getLookaheadStoreConfig() external view returns (uint16, uint80, uint80) { require(generation == 0); return (503, 1, 1); }
    function LOOKAHEAD_BUFFER_SIZE() external view returns (uint256) { require(generation == 1); return 503; }

    function post(uint256 epoch, LookaheadSlot[] calldata slots) external {
        bytes26 hash = bytes26(keccak256(abi.encode(epoch, slots)));
        getLookaheadHash[epoch] = hash;
        emit LookaheadPosted(epoch, bytes32(hash), slots);
    }

    /// Of the packed generation: the lookahead of the next epoch is inside the first argument.
    function propose(bytes calldata lookahead, bytes calldata) external {
        (, , bytes memory next, ) = abi.decode(lookahead[32:], (uint256, bytes, bytes, bytes));
        uint256 epoch = epochStart() + EPOCH;
        bytes26 hash = bytes26(keccak256(bytes.concat(bytes32(epoch), next)));
        getLookaheadHash[epoch] = hash;
        emit LookaheadPosted(epoch, hash);
    }

    function blacklist(bytes32 root) external {
        require(!blacklisted(root));
        getBlacklist[root].at = uint48(block.timestamp);
        emit Blacklisted(root, uint48(block.timestamp));
    }

    function unblacklist(bytes32 root) external {
        require(blacklisted(root));
        getBlacklist[root].un = uint48(block.timestamp);
        emit Unblacklisted(root, uint48(block.timestamp));
    }

    function slash(bytes32 root) external { slashed[root] = true; }
    function blacklisted(bytes32 root) public view returns (bool) { return getBlacklist[root].at > getBlacklist[root].un; }
    function isOperatorActive(bytes32 root, uint256) external view returns (bool) { return !slashed[root] && !blacklisted(root); }

    function addOperator(address proposer, address sequencer, uint32 activeSince) external {
        require(operators[proposer].activeSince == 0);
        if (activeSince == 0) activeSince = uint32(epochStart() + 2 * EPOCH);
        operators[proposer] = Operator(activeSince, 0, operatorCount, sequencer);
        operatorMapping[operatorCount++] = proposer;
        if (activeSince > latestActivationEpoch) latestActivationEpoch = activeSince;
        emit OperatorAdded(proposer, sequencer, activeSince);
    }

    function removeOperator(address proposer) external {
        Operator memory gone = operators[proposer];
        require(gone.activeSince != 0);
        uint8 last = --operatorCount;
        address moved = operatorMapping[last];
        operatorMapping[gone.index] = moved;
        operators[moved].index = gone.index;
        delete operatorMapping[last];
        delete operators[proposer];
        emit OperatorRemoved(proposer, gone.sequencer, block.timestamp);
    }

    function getOperatorForCurrentEpoch() external view returns (address) { return elected(epochStart()); }
    function getOperatorForNextEpoch() external view returns (address) { return elected(epochStart() + EPOCH); }

    function elected(uint256 epoch) internal view returns (address) {
        uint256 from = epoch < 2 * EPOCH ? epoch : epoch - 2 * EPOCH;
        uint256 root;
        for (uint256 at = from + 12; at <= from + EPOCH && at <= block.timestamp; at += 12) {
            (bool ok, bytes memory answer) = BEACON_ROOTS.staticcall(abi.encode(at));
            if (ok && answer.length == 32) { root = abi.decode(answer, (uint256)); break; }
        }
        uint256 count = operatorCount;
        if (count == 0) return address(0);
        if (epoch >= latestActivationEpoch) return operatorMapping[root % count];
        address[] memory eligible = new address[](count);
        uint256 found;
        for (uint256 index; index < count; index++) {
            Operator memory each = operators[operatorMapping[index]];
            if (each.activeSince != 0 && epoch >= each.activeSince) eligible[found++] = operatorMapping[index];
        }
        return found == 0 ? address(0) : eligible[root % found];
    }
}
