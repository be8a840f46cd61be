"""What an op can do to who runs it, and which of its inputs or attributes names the file.

    run code      code that is not TensorFlow's: Python, native libraries, compiled payloads
    write files   also delete and rename
    read files    the contents reach the graph, and who runs it
    network       connections to and from elsewhere, and what configures them
    stop process  abort, hang or shut down
    write log     standard output and error, never an alarm
    custom op     an op of no TensorFlow: a library that is loaded brings the code

Every op of the lists in graphs/op_lists was looked at; of the ops of tf.contrib and of libraries
that TensorFlow 1 and 2 load on their own, those that do one of these things. An op that only
passes on what another one has opened (QueueDequeue, FlushSummaryWriter) counts as harmless: the
other one is found.
Source: the kernels in tensorflow/core/kernels, core/debug, core/tpu, compiler/tf2xla.
"""

from __future__ import annotations

from enum import Enum

from tfartifacts.records import dataclass


class Capability(str, Enum):
    """What an op can do; the value is the name that `--allow capability:NAME` takes."""

    RUN_CODE = "run-code"
    WRITE_FILES = "write-files"
    READ_FILES = "read-files"
    NETWORK = "network"
    STOP_PROCESS = "stop-process"
    WRITE_LOG = "write-log"
    CUSTOM_OP = "custom-op"


@dataclass(frozen=True, slots=True)
class Rule:
    """What one op does.

    `does` completes "it ...". `paths` are the data inputs that hold file names, `attr` is the
    attribute that does ("" for none). `of_savers`: a Saver's own machinery uses it. `raw`: the
    contents of what it reads come out as they are.
    """

    capability: Capability
    does: str
    paths: tuple[int, ...] = ()
    attr: str = ""
    of_savers: bool = False
    raw: bool = True


def _rules(
    capability: Capability, groups: dict[str, tuple[str, tuple[int, ...]]]
) -> dict[str, Rule]:
    return {
        op: Rule(capability, does, paths)
        for ops, (does, paths) in groups.items()
        for op in ops.split()
    }


_NO_PATH: tuple[int, ...] = ()

_RUN_CODE = _rules(
    Capability.RUN_CODE,
    {
        "PyFunc PyFuncStateless EagerPyFunc": (
            "calls a Python function that the process has registered",
            _NO_PATH,
        ),
        "XlaCallModule": ("runs a compiled StableHLO module", _NO_PATH),
        "XlaCustomCall XlaCustomCallV2": ("calls native code by name", _NO_PATH),
        "XlaLaunch XlaLaunchV2 _XlaCompile _XlaRun": ("compiles and runs native code", _NO_PATH),
        "XlaHostCompute _XlaHostComputeMlir": ("calls back into the host's program", _NO_PATH),
        "TPUCompile _TPUCompileMlir TPUExecute TPUExecuteAndUpdateVariables": (
            "compiles and runs a program for an accelerator",
            _NO_PATH,
        ),
        "MlirPassthroughOp": ("runs a program in MLIR", _NO_PATH),
        "TfLiteSubgraphExecute": ("runs a TensorFlow Lite program", _NO_PATH),
        "RemoteFusedGraphExecute": ("runs a graph in an executor that it names", _NO_PATH),
        "DatasetFromGraph": ("runs a graph that it is given as a string", _NO_PATH),
    },
)

_WRITE_FILES = _rules(
    Capability.WRITE_FILES,
    {
        "WriteFile": ("writes a file", (0,)),
        "Save SaveSlices SaveV2": ("writes a checkpoint", (0,)),
        "MergeV2Checkpoints": ("writes, renames and deletes checkpoints", (0, 1)),
        "DistributedSave": ("writes a dataset through the data service", (1,)),
        "SaveDataset SaveDatasetV2": ("writes a dataset", (1,)),
        "SnapshotDataset SnapshotDatasetV2": ("writes and reads a dataset's snapshot", (1,)),
        "CacheDataset CacheDatasetV2": ("writes and reads a dataset's cache", (1,)),
        "DatasetToTFRecord ExperimentalDatasetToTFRecord": ("writes a file of records", (1,)),
        "CreateSummaryFileWriter": ("writes files of summaries", (1,)),
        "CreateSummaryDbWriter": ("writes a database of summaries", (1,)),
        "WriteSummary WriteScalarSummary WriteHistogramSummary WriteImageSummary "
        "WriteAudioSummary WriteGraphSummary WriteRawProtoSummary ImportEvent": (
            "writes to a summary writer's files",
            _NO_PATH,
        ),
        "CalibrationStatisticsSaver": ("writes statistics to a file", _NO_PATH),
        "DumpTensor": ("writes tensors to files", _NO_PATH),
        "DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary": (
            "sends tensors to files or over the network",
            _NO_PATH,
        ),
    },
)

_READ_FILES = _rules(
    Capability.READ_FILES,
    {
        "ReadFile": ("reads a file", (0,)),
        "Restore RestoreSlice RestoreV2 DTensorRestoreV2": ("reads a checkpoint", (0,)),
        "LoadAndRemapMatrix": ("reads a checkpoint", (0,)),
        "GenerateVocabRemapping": ("reads vocabulary files", (0, 1)),
        "InitializeTableFromTextFile InitializeTableFromTextFileV2": ("reads a text file", (1,)),
        "FixedUnigramCandidateSampler": ("reads a vocabulary file", _NO_PATH),
        "MatchingFiles MatchingFilesDataset ExperimentalMatchingFilesDataset": (
            "lists files",
            (0,),
        ),
        "WholeFileReader WholeFileReaderV2 TextLineReader TextLineReaderV2 TFRecordReader "
        "TFRecordReaderV2 FixedLengthRecordReader FixedLengthRecordReaderV2 LMDBReader": (
            "reads files that a queue names",
            _NO_PATH,
        ),
        "TextLineDataset TFRecordDataset TFRecordDatasetV2 FixedLengthRecordDataset "
        "FixedLengthRecordDatasetV2 LMDBDataset ExperimentalLMDBDataset CSVDataset CSVDatasetV2 "
        "ExperimentalCSVDataset": ("reads files as a dataset", (0,)),
        "SqlDataset ExperimentalSqlDataset": ("reads a database", (1,)),
        "LoadDataset ListSnapshotChunksDataset SnapshotChunkDataset SnapshotDatasetReader "
        "SnapshotNestedDatasetReader": ("reads a stored dataset", (0,)),
        "ImmutableConst": ("maps a file into memory", _NO_PATH),
        "RecordInput": ("reads files of records", _NO_PATH),
        "DecodeProtoV2 EncodeProto": ("reads a file of message descriptors", _NO_PATH),
    },
)

_NETWORK = _rules(
    Capability.NETWORK,
    {
        "Rpc TryRpc RpcClient RpcCall": ("calls a server", _NO_PATH),
        "RpcServer RpcServerStart RpcServerRegister": ("offers functions on a port", _NO_PATH),
        "RemoteCall": ("runs a function on a device that it names", _NO_PATH),
        "DataServiceDataset DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4": (
            "reads a dataset from the data service",
            _NO_PATH,
        ),
        "RegisterDataset RegisterDatasetV2": (
            "sends a dataset's graph to the data service, which runs it",
            _NO_PATH,
        ),
        "BigQueryReader GenerateBigQueryReaderPartitions": ("reads from a cloud", _NO_PATH),
        "Send Recv _Send _Recv _HostSend _HostRecv": ("exchanges tensors with peers", _NO_PATH),
        "XlaSend XlaRecv XlaSendToHost XlaRecvFromHost _XlaSendFromHost _XlaSendFromHostV2 "
        "_XlaRecvAtHost _XlaRecvAtHostV2": ("exchanges tensors with peers", _NO_PATH),
        "CollectiveAllToAllV2 CollectiveAllToAllV3 CollectiveAssignGroupV2 CollectiveBcastRecv "
        "CollectiveBcastRecvV2 CollectiveBcastSend CollectiveBcastSendV2 CollectiveGather "
        "CollectiveGatherV2 CollectiveInitializeCommunicator CollectiveReduce "
        "CollectiveReduceScatterV2 CollectiveReduceV2 CollectiveReduceV3": (
            "exchanges tensors with a group of workers",
            _NO_PATH,
        ),
        "ConfigureDistributedTPU _ConfigureDistributedTPU ConfigureAndInitializeGlobalTPU "
        "_InitializeHostForDistributedTPU _WaitForDistributedTPU _SetGlobalTPUArray "
        "ConnectTPUEmbeddingHosts _ConnectInterTPUEmbeddingCommunication "
        "UpdateTaskIdAndGlobalCoreArray DTensorSetGlobalTPUArray": (
            "sets up accelerators of other hosts",
            _NO_PATH,
        ),
        "FileSystemSetConfiguration": ("configures how file systems are reached", _NO_PATH),
        "GcsConfigureBlockCache GcsConfigureCredentials": (
            "configures how a cloud's files are reached",
            _NO_PATH,
        ),
        "StoreMinibatchStatisticsInFdo": ("sends statistics to a service", _NO_PATH),
    },
)

_STOP_PROCESS = _rules(
    Capability.STOP_PROCESS,
    {
        "Abort": ("ends the process", _NO_PATH),
        "WorkerHeartbeat": ("can have its worker shut down", _NO_PATH),
        "ShutdownDistributedTPU _ShutdownDistributedTPU ShutdownTPUSystem "
        "_DisconnectHostFromDistributedTPUSystem": ("shuts accelerators down", _NO_PATH),
        "SleepDataset ExperimentalSleepDataset SleepOp SleepIdentityOp": (
            "keeps a thread waiting",
            _NO_PATH,
        ),
    },
)

_WRITE_LOG = _rules(
    Capability.WRITE_LOG, {"Print PrintV2": ("prints tensors to standard error", _NO_PATH)}
)

# Ops in none of the lists: of tf.contrib (1.x), of TensorRT, of file systems' and clouds' plugins.
CONTRIB: dict[str, Rule] = {
    **_rules(
        Capability.RUN_CODE,
        {
            "TRTEngineOp": ("runs a TensorRT engine", _NO_PATH),
            "DecodeAudio DecodeAudioV2 EncodeAudio EncodeAudioV2 DecodeVideo": (
                "starts the program ffmpeg",
                _NO_PATH,
            ),
        },
    ),
    **_rules(Capability.WRITE_FILES, {"SerializeTRTResource": ("writes a TensorRT engine", (1,))}),
    **_rules(
        Capability.READ_FILES,
        {
            "InitializeTRTResource": ("reads a TensorRT engine", (1,)),
            "SequenceFileDataset": ("reads files as a dataset", (0,)),
        },
    ),
    **_rules(
        Capability.NETWORK,
        {
            "KafkaDataset WriteKafka KinesisDataset IgniteDataset BigtableClient BigtableTable": (
                "talks to a server",
                _NO_PATH,
            ),
        },
    ),
}

# Attributes that name files, or where something is sent.
_ATTRS = {
    **dict.fromkeys(
        "DebugIdentity DebugIdentityV2 DebugIdentityV3 DebugNanCount DebugNumericSummary".split(),
        "debug_urls",
    ),
    "CalibrationStatisticsSaver": "output_file_path",
    "DumpTensor": "log_dir_path",
    "PrintV2": "output_stream",
    "ImmutableConst": "memory_region_name",
    "RecordInput": "file_pattern",
    "FixedUnigramCandidateSampler": "vocab_file",
    "DecodeProtoV2": "descriptor_source",
    "EncodeProto": "descriptor_source",
    "XlaCustomCall": "target_name",
    "XlaCustomCallV2": "call_target_name",
    "PyFunc": "token",
    "PyFuncStateless": "token",
    "EagerPyFunc": "token",
}
_OF_SAVERS = frozenset(
    "Save SaveSlices SaveV2 MergeV2Checkpoints Restore RestoreSlice RestoreV2".split()
)
# What they read comes out as numbers of rows, or under keys that the caller has to know.
_NOT_RAW = frozenset(
    "InitializeTableFromTextFile InitializeTableFromTextFileV2 GenerateVocabRemapping "
    "FixedUnigramCandidateSampler DecodeProtoV2 EncodeProto MatchingFiles "
    "InitializeTRTResource".split()
)


def _completed(op: str, rule: Rule) -> Rule:
    return Rule(
        rule.capability,
        rule.does,
        rule.paths,
        _ATTRS.get(op, ""),
        op in _OF_SAVERS,
        op not in _NOT_RAW,
    )


RULES: dict[str, Rule] = {
    op: _completed(op, rule)
    for part in (
        *(_RUN_CODE, _WRITE_FILES, _READ_FILES, _NETWORK, _STOP_PROCESS, _WRITE_LOG, CONTRIB),
    )
    for op, rule in part.items()
}

UNKNOWN = Rule(Capability.CUSTOM_OP, "is in no TensorFlow: a library that is loaded brings it")
